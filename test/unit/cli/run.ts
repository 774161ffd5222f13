// Runs a command line in this process, as src/cli/sealrelay.ts does, and gives what it printed.

import { main } from '../../../src/cli/program.ts';

export type Ran = { readonly code: number; readonly out: string; readonly err: string };

export async function run(...args: string[]): Promise<Ran> {
  let out = '';
  let err = '';
  const before = process.exitCode;
  const { stdout, stderr } = process;
  const own = { stdout: stdout.write, stderr: stderr.write };
  stdout.write = (text) => {
    out += text;
    return true;
  };
  stderr.write = (text) => {
    err += text;
    return true;
  };
  try {
    process.exitCode = undefined;
    const code = await main(args);
    return { code, out, err };
  } finally {
    process.exitCode = before;
    stdout.write = own.stdout;
    stderr.write = own.stderr;
  }
}
