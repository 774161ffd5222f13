// `node test/shape.ts`: the shape of the code.

import { readOptions, whole } from './support/options.ts';
import { importCycles, readSources } from './support/source.ts';

const LONGEST_FUNCTION = 150;
const LONGEST_FILE = 500;

const { most } = readOptions({
  usage: 'node test/shape.ts',
  about: 'Prints the longest functions and the longest files of src/, and the cycles among its imports.',
  options: { most: whole(10, 'how many of each') },
  example: 'node test/shape.ts --most 3',
  exits: { 0: 'no bound is broken', 1: 'a function or a file is too long, or imports go round' },
});
const files = readSources(new URL('../src', import.meta.url).pathname);
const functions = files
  .flatMap((file) => file.functions.map((one) => ({ ...one, path: file.path })))
  .sort((a, b) => b.lines - a.lines);
const byLength = [...files].sort((a, b) => b.lines - a.lines);
const cycles = importCycles(files);
const lines = files.reduce((sum, file) => sum + file.lines, 0);

console.log(`${files.length} files, ${lines} lines, ${functions.length} functions\n`);
console.log(`longest functions (bound ${LONGEST_FUNCTION})`);
for (const one of functions.slice(0, most)) {
  console.log(`${String(one.lines).padStart(6)}  src/${one.path}:${one.line} ${one.name}`);
}
console.log(`\nlongest files (bound ${LONGEST_FILE})`);
for (const file of byLength.slice(0, most)) console.log(`${String(file.lines).padStart(6)}  src/${file.path}`);
console.log(`\nimport cycles: ${cycles.length === 0 ? 'none' : cycles.length}`);
for (const cycle of cycles) console.log(`        ${cycle.join(' → ')}`);

const broken = (functions[0]?.lines ?? 0) > LONGEST_FUNCTION || (byLength[0]?.lines ?? 0) > LONGEST_FILE;
process.exitCode = broken || cycles.length > 0 ? 1 : 0;
