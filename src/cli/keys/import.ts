// `sealrelay keys import`: reads a key file, asks for its passphrase where it has one, and tells what became of each key.

import type { Command } from 'commander';
import type { ImportView } from '../../control/key-import.ts';
import { KEY_FILE_MAX, PASSPHRASE_NEEDED } from '../../keys/import.ts';
import { ask, type DaemonOptions } from '../client.ts';
import { CliError, EXIT } from '../errors.ts';
import { example, withDaemon, withJson } from '../help.ts';
import { canAsk, fileOctets, fromStdin, secretLine } from '../input.ts';
import { mark, plain, print, printJson, say } from '../output.ts';
import { inGroups, printKey } from './words.ts';

type ImportOptions = DaemonOptions & {
  readonly organization?: string;
  readonly for?: string;
  readonly own?: boolean;
  readonly pin?: boolean;
  readonly passphrase?: boolean;
  readonly reason?: string;
  readonly json?: boolean;
};

const QUESTION = 'passphrase of the private key';

export function registerImport(keys: Command): void {
  const command = keys
    .command('import')
    .description('Keeps the keys or certificates of a file, each for the addresses that it names.')
    .argument('<file>', 'OpenPGP key, or certificate as PEM, DER or PKCS#12; - reads it from stdin')
    .option('--organization <NAME>', 'organization that uses it; needed where there are several')
    .option('--for <ADDRESS>', 'keep it for this address, or for @domain; - reads it from stdin')
    .option('--own', "the organization's own: its private key signs, and stays in the gateway")
    .option('--pin', 'vouch for it: it is the right key, whoever issued it')
    .option('--passphrase', 'ask for the passphrase of its private key; without a terminal, read it from stdin')
    .option('--reason <TEXT>', 'why; stands in the audit')
    .action(importFile);
  example(
    withJson(withDaemon(command)),
    [
      'sealrelay keys import carol.asc',
      'gpg --armor --export carol@partner.example | sealrelay keys import - --pin --reason "compared by phone"',
      'sealrelay keys import gateway.pem --for @partner.example --pin',
      'sealrelay keys import seal.p12 --own --for @clinic.example',
    ],
    'Compare the fingerprint with its owner by another way than mail. Next: sealrelay keys check.\n' +
      'Exit code 3: a key cannot be used, or was left out.',
  );
}

async function importFile(file: string, options: ImportOptions): Promise<void> {
  const octets = await fileOctets(file, file, KEY_FILE_MAX);
  const args = {
    file: octets.toString('base64'),
    ...(options.organization !== undefined && { organization: options.organization }),
    ...(options.for !== undefined && { for: await fromStdin(options.for, '--for') }),
    own: options.own ?? false,
    pin: options.pin ?? false,
    reason: options.reason ?? '',
  };
  const send = (passphrase?: string) =>
    ask<ImportView>(options, 'write', 'keys.import', { ...args, ...(passphrase !== undefined && { passphrase }) });
  await report(await withPassphrase(send, options.passphrase), options.json);
}

/** Asked for only when it is needed, where somebody is there to be asked. */
async function withPassphrase(
  send: (passphrase?: string) => Promise<ImportView>,
  said: boolean | undefined,
): Promise<ImportView> {
  if (said) return send(await secretLine(QUESTION, '--passphrase'));
  try {
    return await send();
  } catch (error) {
    if (!(error instanceof CliError) || error.message !== PASSPHRASE_NEEDED || !canAsk()) throw error;
    return send(await secretLine(QUESTION, '--passphrase'));
  }
}

const SAID = { imported: 'imported', renewed: 'renewed', known: 'known already' };

async function report(done: ImportView, json: boolean | undefined): Promise<void> {
  const unusable = done.keys.filter(({ state }) => state !== 'usable' && state !== 'expiring');
  if (done.keys.length === 0) process.exitCode = EXIT.failed;
  else if (unusable.length > 0 || done.skipped.length > 0) process.exitCode = EXIT.warnings;
  if (json) return printJson(done);
  for (const key of done.keys) {
    await printKey(key, SAID[key.outcome]);
    for (const note of key.notes) await print(`  ${mark('warning')} ${plain(note)}`);
  }
  for (const { fingerprint, why, next } of done.skipped) {
    await print(`${mark('problem')} left out: ${plain(why)}`);
    await print(`  ${inGroups(fingerprint)}`);
    say(`next: ${next}`);
  }
  for (const key of unusable) say(`key ${key.key} is not used: ${plain(key.why)}${nextOf(key)}`);
  if (unusable.length > 0 || done.keys.length === 0) return;
  const compare = done.keys.every(({ own }) => own) ? '' : 'compare the fingerprint with its owner; ';
  say(`next: ${compare}sealrelay keys check`);
}

function nextOf(key: ImportView['keys'][number]): string {
  switch (key.state) {
    case 'untrusted':
      return `; next: sealrelay keys pin ${key.key} once its owner confirmed it, or add its authority to protection.smime.roots`;
    case 'mismatched':
      return key.for.startsWith('@')
        ? `; next: sealrelay keys pin ${key.key} once its owner confirmed that it is for the domain`
        : '; next: import it for an address that it names, or for its @domain';
    case 'revoked':
      return `; next: sealrelay keys show ${key.key}`;
    default:
      return '; next: ask its owner for another';
  }
}
