// `sealrelay submission`: logins with which apps and devices submit mail on port 587.

import { type Command, Option } from 'commander';
import { ask, type DaemonOptions } from './client.ts';
import { collect, example, withDaemon, withJson } from './help.ts';
import { fromStdin } from './input.ts';
import { print, printJson, say, tablePrinter, timeText } from './output.ts';

type AddOptions = DaemonOptions & {
  readonly organization: string;
  readonly from: readonly string[];
  readonly priority: string;
  readonly reason?: string;
  readonly json?: boolean;
};
type Row = {
  readonly name: string;
  readonly organization: string;
  readonly from: readonly string[];
  readonly priority: string;
  readonly created: string;
};

export function register(program: Command): void {
  const submission = program.command('submission').description('Logins with which apps and devices submit mail.');
  example(submission, [
    'sealrelay submission add scanner --organization "Northside Clinic" --from scanner@clinic.example',
  ]);
  registerAdd(submission);
  const list = submission
    .command('list')
    .description('Lists submission logins; never their secrets.')
    .action(listLogins);
  example(withJson(withDaemon(list)), ['sealrelay submission list']);
  const remove = submission
    .command('remove')
    .description('Removes a login; it opens nothing from then on.')
    .argument('<name>', 'name of the login')
    .option('--reason <TEXT>', 'why; stands in the audit')
    .action(async (name: string, options: DaemonOptions & { reason?: string; json?: boolean }) => {
      const done = await ask(options, 'write', 'submission.remove', { name, reason: options.reason ?? '' });
      if (options.json) return printJson(done);
      say(`removed ${name}; next: sealrelay submission list`);
    });
  example(withJson(withDaemon(remove)), ['sealrelay submission remove scanner --reason "replaced"']);
}

function registerAdd(submission: Command): void {
  const add = submission
    .command('add')
    .description('Makes a login and prints its secret, this once.')
    .argument('<name>', 'user name of the login')
    .requiredOption('--organization <NAME>', 'organization whose mail it submits')
    .requiredOption(
      '--from <ADDRESS>',
      'allowed header From and reverse-path, or @domain; may be repeated; - reads stdin',
      collect,
    )
    .addOption(new Option('--priority <PRIORITY>', 'class of its mail').choices(['normal', 'bulk']).default('normal'))
    .option('--reason <TEXT>', 'why; stands in the audit')
    .action(addLogin);
  example(
    withJson(withDaemon(add)),
    [
      'sealrelay submission add scanner --organization "Northside Clinic" --from scanner@clinic.example',
      'sealrelay submission add crm --organization "Northside Clinic" --from @clinic.example --priority bulk',
    ],
    'Next: set user name, secret, port 587 and STARTTLS in the app; sealrelay submission list.',
  );
}

async function addLogin(name: string, options: AddOptions): Promise<void> {
  const from: string[] = [];
  for (const one of options.from) from.push(await fromStdin(one, '--from'));
  const made = await ask<{ name: string; secret: string }>(options, 'write', 'submission.add', {
    name,
    organization: options.organization,
    from,
    priority: options.priority,
    reason: options.reason ?? '',
  });
  if (options.json) return printJson(made);
  await print(made.secret);
  say(`login ${made.name}: the secret above is shown once; next: set it in the app, port 587 with STARTTLS`);
}

async function listLogins(options: DaemonOptions & { json?: boolean }): Promise<void> {
  const table = tablePrinter<Row>([
    { title: 'NAME', value: (row) => row.name },
    { title: 'ORGANIZATION', value: (row) => row.organization },
    { title: 'FROM', value: (row) => row.from.join(', ') },
    { title: 'PRIORITY', value: (row) => row.priority },
    { title: 'ADDED', value: (row) => timeText(row.created) },
  ]);
  await ask(options, 'read', 'submission.list', {}, async (page) => {
    if (!options.json) return table(page as Row[]);
    for (const row of page) await printJson(row);
  });
}
