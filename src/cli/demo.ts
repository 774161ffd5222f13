// `sealrelay demo`: the same program that `npm run demo` starts and the tests check.

import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import type { Command } from 'commander';
import { CliError } from './errors.ts';
import { example } from './help.ts';

export function register(program: Command): void {
  const command = program
    .command('demo')
    .description('Runs the real gateway on 127.0.0.1 with throw-away state and sends one message to five people.')
    .option('--keep', 'leave it running until Ctrl-C')
    .option('--json', 'print one JSON object')
    .action(async (options: { keep?: boolean; json?: boolean }) => {
      const path = new URL('../../test/demo/demo.ts', import.meta.url).pathname;
      if (!existsSync(path))
        throw new CliError('the demo is not part of this installation', 'run it in a checkout: npm run demo');
      const flags = [...(options.keep ? ['--keep'] : []), ...(options.json ? ['--json'] : [])];
      process.exitCode = await run(path, flags);
    });
  example(
    command,
    ['sealrelay demo', 'sealrelay demo --json'],
    'Needs no root, no DNS, no Internet. Next: config/README.md.',
  );
}

function run(path: string, flags: readonly string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [path, ...flags], { stdio: 'inherit' });
    // Ctrl-C reaches both; the demo cleans up and says how it ended.
    process.on('SIGINT', () => undefined);
    child.on('error', reject);
    child.on('exit', (code) => resolve(code ?? 1));
  });
}
