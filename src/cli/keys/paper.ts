// The recovery copy of a master key as people get it: on a terminal, or in a file to be printed. It never goes where output
// is caught by something else.

import { encode } from 'uqr';
import { writeNew } from '../../keys/master.ts';
import { paperQr, paperText } from '../../keys/paper.ts';
import { CliError, usage } from '../errors.ts';

/** Black on white, whatever the terminal's colours: a reader needs the light border. */
const [INK, NO_INK] = ['\u001b[30;107m', '\u001b[0m'];
const WORDS = [
  'Sealrelay: recovery copy of the master key.',
  'Whoever has it and the data can read what the gateway holds. Keep it in a safe, apart from the backups.',
  'Back into a file: sealrelay keys master check --from-paper --write FILE',
];

/** Throws CliError unless a person sits at the terminal, or a file is named. */
export function refuseElsewhere(to: string | undefined, option: string): void {
  if (to !== undefined || (process.stdout.isTTY && process.stderr.isTTY)) return;
  throw usage('the recovery copy is shown on a terminal only', `name a file for it: ${option} FILE`);
}

/** `secret`: 32 octets, overwritten. Throws CliError. */
export function showPaper(secret: Uint8Array, to: string | undefined): void {
  const lines = paperText(secret);
  const qr = paperQr(secret);
  secret.fill(0);
  const text = Buffer.concat([
    Buffer.from(`${WORDS.join('\n')}\n\n`),
    lines,
    Buffer.from(`\n${picture(qr, to === undefined)}\n`),
  ]);
  try {
    if (to === undefined) process.stdout.write(text.toString());
    else writeNew(to, text);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new CliError(`cannot write ${to} (${code ?? 'error'})`, 'name a path that does not exist yet');
  } finally {
    for (const one of [lines, qr, text]) one.fill(0);
  }
}

/** Two rows of the code in a row of text. */
function picture(octets: Buffer, coloured: boolean): string {
  const { data, size } = encode([...octets], { ecc: 'M', border: 2 });
  const rows: string[] = [];
  for (let y = 0; y < size; y += 2) {
    const row = data[y]!.map((top, x) => (top ? (data[y + 1]?.[x] ? '█' : '▀') : data[y + 1]?.[x] ? '▄' : ' ')).join(
      '',
    );
    rows.push(coloured ? `${INK}${row}${NO_INK}` : row);
  }
  return rows.join('\n');
}
