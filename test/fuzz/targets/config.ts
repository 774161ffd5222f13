// gateway.yaml: a configuration, or problems each with its place, in words.

import { readFileSync } from 'node:fs';
import type { ConfigDeps } from '../../../src/config/files.ts';
import { loadConfig } from '../../../src/config/load.ts';
import type { ConfigProblem } from '../../../src/config/problem.ts';
import { problemText } from '../../../src/config/problem.ts';
import { claim, octets, type Target } from '../target.ts';

const root = new URL('../../../', import.meta.url);
const POLICY = Buffer.from('version: 1\nrules: [{name: all, then: {deliver: [tls]}}]\n');
export const YAML_TOKENS: readonly string[] = [
  ...[
    '- ',
    ': ',
    '\n',
    '  ',
    '    ',
    '\t',
    '{',
    '}',
    '[',
    ']',
    ',',
    '"',
    "'",
    '#',
    '|\n',
    '>\n',
    '? ',
    '& a',
    '*a',
    '&a ',
    '!!str ',
    '!x ',
    '<<: ',
  ],
  ...[
    '---\n',
    '...\n',
    '%YAML 1.1\n',
    'null',
    '~',
    'no',
    'true',
    '1e999',
    '0o17',
    '0x1F',
    '.inf',
    '.nan',
    '2026-11-24',
    '\u00e9',
    '\ufeff',
  ],
  ...[
    '__proto__: ',
    'constructor: ',
    'toString: ',
    'hasOwnProperty: ',
    '\\u0000',
    '"\\x00"',
    '\0',
    '\x1b[31m',
    '[[[[[[[[[[[[',
    '{a: {a: {a: ',
  ],
];

export async function open(): Promise<Target> {
  let text: Buffer = Buffer.alloc(0);
  const deps: ConfigDeps = {
    env: {},
    home: '/home/nobody',
    cwd: '/etc/sealrelay',
    user: { uid: 0, groups: [] },
    read: async (path) => (path.endsWith('gateway.yaml') ? text : path.endsWith('default.yaml') ? POLICY : null),
    stat: async (path) => ({ isFile: path.endsWith('.yaml'), mode: 0o600, uid: 0, gid: 0 }),
    now: () => 1_800_000_000_000,
  };
  const reference = readFileSync(new URL('config/gateway.yaml', root));
  return {
    seeds: [
      reference,
      octets(
        'version: 1\nmode: live\nhostname: gw1.clinic.example\norganizations:\n  - name: N\n    domains: [clinic.example]\n    from: { networks: [192.0.2.0/28, "2001:db8::/32"] }\nlisten:\n  smtp: { port: 2525 }\ntags: { secure: { tls: dane } }\n',
      ),
    ],
    tokens: [
      ...YAML_TOKENS,
      ...[
        'version',
        'mode',
        'hostname',
        'organizations',
        'name',
        'domains',
        'from',
        'networks',
        'listen',
        'smtp',
        'port',
        'tls',
        'portal',
        'url',
      ],
      ...[
        'env:X',
        'file:/etc/x',
        '10MB',
        '1h',
        '1.5 GB',
        '10 parsecs',
        '::/0',
        '0.0.0.0/0',
        '192.0.2.1/33',
        'xn--',
        'https://',
        '-',
      ],
      ...[
        'delivery',
        'limits',
        'storage',
        'protection',
        'floors',
        'tags',
        'retention',
        'smart_host',
        '99999999999999999999',
      ],
    ].map((token) => Buffer.from(token)),
    check: async (given) => {
      const input = shortened(given);
      text = input;
      const result = await loadConfig('config/gateway.yaml', deps);
      const problems = 'problems' in result ? result.problems : result.warnings;
      claim(!('problems' in result) || problems.length > 0, 'refused for nothing');
      const count = linesIn(input);
      for (const problem of problems) placed(problem, count, 'config/gateway.yaml');
    },
  };
}

/** The parser makes an error of each octet behind some wrong brackets; a hundred thousand take seconds. */
export const shortened = (input: Buffer): Buffer => input.subarray(0, 16_000);
export const linesIn = (input: Buffer): number => input.toString('utf8').split('\n').length;

/** Somewhere in the file, and fit to be printed. */
export function placed(problem: ConfigProblem, lineCount: number, file: string): void {
  const { line, column, message } = problem;
  claim(problem.file === file, `another file: ${problem.file}`);
  claim(line >= 1 && line <= lineCount && column >= 1, `no place: ${line}:${column} of ${lineCount} lines`);
  claim(message !== '' && !message.includes('undefined') && !message.includes('[object'), `no words: ${message}`);
  claim(
    !/\p{Cc}/u.test(problemText(problem)),
    `control characters are printed: ${JSON.stringify(problemText(problem))}`,
  );
}
