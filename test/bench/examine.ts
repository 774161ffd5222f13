// `node test/bench/examine.ts`: what examining costs on one core.

import { examine } from '../../src/dlp/examine.ts';
import { readOptions } from '../support/options.ts';
import { makeMessages, SHAPES, WORDS_OF } from './messages.ts';

const PIECE = 65_536;

function pieces(message: Buffer): Buffer[] {
  return Array.from({ length: Math.ceil(message.length / PIECE) }, (_, i) =>
    message.subarray(i * PIECE, (i + 1) * PIECE),
  );
}

function milliseconds(messages: readonly Buffer[], times: number): number {
  const begun = process.cpuUsage();
  for (let i = 0; i < times; i++) {
    for (const message of messages) examine(pieces(message), { subjectTags: ['secure'] });
  }
  const { user, system } = process.cpuUsage(begun);
  return (user + system) / 1_000 / (times * messages.length);
}

function print(name: string, messages: readonly Buffer[], times: number): void {
  milliseconds(messages, Math.ceil(times / 4));
  const each = milliseconds(messages, times);
  const octets = messages.reduce((sum, one) => sum + one.length, 0) / messages.length;
  const rate = octets / 1_000 / each;
  console.log(`${name.padEnd(52)} ${each.toFixed(3).padStart(9)} ms CPU a message ${rate.toFixed(1).padStart(8)} MB/s`);
}

function message(type: string, body: string): Buffer {
  return Buffer.from(`Subject: x\r\nContent-Type: ${type}; charset=utf-8\r\n\r\n${body}`);
}

const ROW = 'Lee Okafor,00482913,04/12/1961,536-22-1847,E11.9,metformin\r\n';
const PROSE =
  'Mrs. Okafor came in on Monday; her chest pain is better, we go on with metoprolol and see her again on 3/4/2026.\r\n';
const CRAFTED = [
  'Aa ',
  'Aa Aa, ',
  'patient: ',
  'mrn ',
  'mrn number: ',
  'MRN is: "(',
  'medical record ',
  'ssn ',
  '536-22-',
  '536 - \n> 22 - ',
  'dob (',
  'born on  ',
  '1/1/19',
  'member id number ',
  'policy ',
  'A1',
  'E11.',
  'dx ',
  'dx,',
  'ssn,mrn,dob,npi,dx,member id\n',
  'npi 1',
  'AB123456',
  'dea AB1234563 ',
  '3FA7',
  'type 2 ',
  'was diagnosed with ',
  'Mrs. Lopez rash ',
  '9 yo CHF rash\n\n',
  'hipaa\n\n',
  'intended only for. ',
  '[[',
  'é\u200b',
  '\n \n',
];

readOptions({
  usage: 'node test/bench/examine.ts',
  about:
    'Measures what examining costs on one core: megabytes a second of MIME walk, text and scan, and the slowest of crafted texts of 100 kB, which must cost about as much as any other.',
  options: {},
  example: 'node test/bench/examine.ts',
  exits: { 0: 'measured' },
});
console.log(`node ${process.version}, one core\n`);
for (const shape of SHAPES) print(`the bench's messages, ${shape}: ${WORDS_OF[shape]}`, makeMessages(shape), 5);
print('75 kB of clinical prose', [message('text/plain', PROSE.repeat(75_000 / PROSE.length))], 200);
print('75 kB of the same as HTML', [message('text/html', `<p>${PROSE}</p>`.repeat(75_000 / PROSE.length))], 200);
print('75 kB of CSV', [message('text/csv', `name,mrn,dob,ssn,dx,drug\r\n${ROW.repeat(75_000 / ROW.length)}`)], 200);

const crafted = CRAFTED.flatMap((text) => {
  const body = text.repeat(100_000 / text.length);
  return [message('text/plain', body), message('text/html', body)].map((one) => ({
    text,
    each: milliseconds([one], 3),
  }));
});
crafted.sort((a, b) => b.each - a.each);
console.log('\nslowest of crafted texts of 100 kB:');
for (const { text, each } of crafted.slice(0, 5)) {
  console.log(`${JSON.stringify(text).padEnd(34)} ${each.toFixed(1).padStart(9)} ms CPU`);
}
