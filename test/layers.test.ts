// The order of the tree (src/ folders below) and who may use which package: read from the imports of every file, `import type` included.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describeSource, type Import, importCycles, readSources, type SourceFile } from './support/source.ts';

/** A module imports only from folders earlier in this list, or from its own. */
const RANK = [
  'domain',
  'config',
  'net',
  'mail',
  'dlp',
  'policy',
  'crypto',
  'work',
  'route',
  'keys',
  'trust',
  'record',
  'store',
  'smtp',
  'relay',
  'portal',
  'watch',
  'control',
  'web',
  'cli',
  'main',
];
/** At the top of src/: they put the others together; main/ holds the parts of the first. */
const COMPOSERS = ['main.ts', 'worker.ts'];
/** Who may reach a composer or beyond src/, and what: the command starts the gateway and the demo. */
const STARTERS: Readonly<Record<string, string>> = {
  'cli/start.ts': '../main.ts',
  'cli/demo.ts': '../../test/demo/demo.ts',
};

/** Package or Node module → folders and files that may import it. Those of `dependencies` must all be here. */
const USERS: Readonly<Record<string, readonly string[]>> = {
  '@hono/node-server': ['web'],
  'better-sqlite3': ['store'],
  commander: ['cli'],
  'csv-stringify': ['control', 'cli'],
  'dns-packet': ['net'],
  hono: ['web'],
  htmlparser2: ['mail', 'dlp'],
  libmime: ['mail'],
  'lru-cache': ['net', 'crypto', 'route', 'keys', 'trust', 'store'],
  mailparser: ['mail'],
  // The runtime that the project carries; nobody imports it.
  node: [],
  'node-forge': ['crypto'],
  nodemailer: ['mail'],
  openpgp: ['crypto'],
  pino: ['cli', 'main', 'main.ts', 'worker.ts'],
  'prom-client': ['web'],
  'sanitize-html': ['mail'],
  'smtp-server': ['smtp'],
  uqr: ['cli'],
  yaml: ['config', 'policy'],
  zod: ['config', 'policy', 'control'],
  'node:net': ['net', 'smtp', 'control', 'web', 'cli'],
  'node:tls': ['net', 'smtp', 'web'],
  'node:dgram': ['net', 'smtp', 'web'],
  'node:http': ['net', 'smtp', 'web'],
  'node:https': ['net', 'smtp', 'web'],
  'node:http2': [],
  'node:dns': ['net'],
  // control: getent, for the group of a socket.
  'node:child_process': ['work', 'control', 'cli'],
  'node:cluster': [],
  'node:worker_threads': ['store'],
  'node:inspector': [],
  'node:vm': [],
};
const FETCHERS = ['net', 'smtp', 'web'];

const LONGEST_FUNCTION = 150;
const LONGEST_FILE = 500;
const LARGEST_FOLDER = 25;

const root = new URL('../src', import.meta.url).pathname;
const files = readSources(root);

test('every file of src is read and has a place in the order', () => {
  expect(files.length).toBeGreaterThan(4);
  const stray = files.filter(({ folder, path }) => !RANK.includes(folder) && !COMPOSERS.includes(path));
  expect(stray.map(({ path }) => path)).toEqual([]);
  // A specifier put together at run time would hide from this test.
  expect(files.flatMap((file) => file.computed.map((line) => `${file.path}:${line}`))).toEqual([]);
});

test('imports point up the order', () => {
  expect(files.flatMap(wrongRank)).toEqual([]);
});

test('domain imports nothing but itself', () => {
  const outside = files
    .filter(({ folder }) => folder === 'domain')
    .flatMap((file) => file.imports.filter((one) => !one.file?.startsWith('domain/')).map((one) => where(file, one)));
  expect(outside).toEqual([]);
});

test('no import cycles', () => {
  expect(importCycles(files).map((cycle) => cycle.join(' → '))).toEqual([]);
});

test('packages and network modules are imported where they belong', () => {
  expect(files.flatMap(wrongPackage)).toEqual([]);
  const fetching = files.filter((file) => file.fetches.length > 0 && !FETCHERS.includes(file.folder));
  expect(fetching.map((file) => `${file.path}:${file.fetches[0]}`)).toEqual([]);
});

test('every dependency has a place', () => {
  const { dependencies } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
  expect(Object.keys(dependencies).filter((name) => !(name in USERS))).toEqual([]);
});

test('functions, files and folders stay within their bounds', () => {
  const long = files.flatMap((file) =>
    file.functions
      .filter((one) => one.lines > LONGEST_FUNCTION)
      .map((one) => `${file.path}:${one.line} ${one.name}: ${one.lines} lines`),
  );
  expect(long).toEqual([]);
  expect(files.filter((file) => file.lines > LONGEST_FILE).map((file) => `${file.path}: ${file.lines}`)).toEqual([]);
  expect(foldersOver(root, LARGEST_FOLDER)).toEqual([]);
});

// What it is made of, seen to bite.
test.each([
  ['net/a.ts', "import type { B } from '../mail/b.ts';", 1],
  ['mail/a.ts', "export { b } from '../net/b.ts';", 0],
  ['mail/a.ts', "export * from '../dlp/b.ts';", 1],
  ['mail/a.ts', "const b = await import('../relay/b.ts');", 1],
  ['mail/a.ts', "type B = import('../relay/b.ts').B;", 1],
  ['work/a.ts', "new Worker(new URL('../worker.ts', import.meta.url));", 0],
  ['relay/a.ts', "import { main } from '../main.ts';", 1],
])('order: %s with %s', (path, text, wrong) => {
  expect(wrongRank(describeSource(path, text))).toHaveLength(wrong);
});

test.each([
  ['relay/a.ts', "import net from 'node:net';", 1],
  ['relay/a.ts', "import net from 'net';", 1],
  ['smtp/a.ts', "import net from 'node:net';", 0],
  ['mail/a.ts', "import x from 'better-sqlite3/lib/database.js';", 1],
  ['web/a.ts', "import { serve } from '@hono/node-server';", 0],
  ['mail/a.ts', "import type { A } from 'undeclared';", 1],
  ['mail/a.ts', "import { readFileSync } from 'node:fs';", 0],
])('packages: %s with %s', (path, text, wrong) => {
  expect(wrongPackage(describeSource(path, text))).toHaveLength(wrong);
});

test('fetch and cycles are seen', () => {
  expect(describeSource('mail/a.ts', "await fetch('x'); deps.fetch('y'); globalThis.fetch('z');").fetches).toEqual([
    1, 1,
  ]);
  const ring = [
    ['a', 'b'],
    ['b', 'c'],
    ['c', 'a'],
  ].map(([from, to]) => describeSource(`net/${from}.ts`, `import type { X } from './${to}.ts';`));
  expect(importCycles(ring)).toEqual([['net/a.ts', 'net/b.ts', 'net/c.ts', 'net/a.ts']]);
});

function where(file: SourceFile, one: Import): string {
  return `${file.path}:${one.line} → ${one.specifier}`;
}

function wrongRank(file: SourceFile): string[] {
  const own = RANK.indexOf(file.folder);
  return file.imports
    .filter(({ file: target, specifier }) => {
      if (target === null || own < 0 || STARTERS[file.path] === specifier) return false;
      // The pool names the file that its processes run.
      if (target === 'worker.ts' && file.folder === 'work') return false;
      const rank = RANK.indexOf(target.split('/')[0]!);
      return rank < 0 || rank > own;
    })
    .map((one) => where(file, one));
}

function wrongPackage(file: SourceFile): string[] {
  return file.imports
    .filter(({ module }) => {
      if (module === null) return false;
      const users = USERS[module] ?? USERS[`node:${module}`];
      if (users === undefined) return !module.startsWith('node:');
      return !users.includes(file.folder) && !users.includes(file.path);
    })
    .map((one) => where(file, one));
}

function foldersOver(folder: string, bound: number): string[] {
  const entries = readdirSync(folder, { withFileTypes: true });
  const over = entries.filter((entry) => entry.isFile()).length > bound ? [folder] : [];
  return [...over, ...entries.filter((e) => e.isDirectory()).flatMap((e) => foldersOver(join(folder, e.name), bound))];
}
