// Policy files and their lists: rules, or problems each with its place, in words.

import { readFileSync } from 'node:fs';
import { loadPolicy } from '../../../src/policy/load.ts';
import { claim, octets, type Target } from '../target.ts';
import { linesIn, placed, shortened, YAML_TOKENS } from './config.ts';

const OPTIONS = { live: true, organizations: ['Northside Clinic'], tags: ['secure', 'encrypt'], portal: true };
const LIST = Buffer.from('lab.example\n*.partner.example # remark\n');

export async function open(): Promise<Target> {
  let text: Buffer = Buffer.alloc(0);
  const deps = {
    cwd: '/etc/sealrelay',
    user: { uid: 0, groups: [] },
    read: async (path: string) => (path.endsWith('default.yaml') ? text : path.endsWith('list.txt') ? LIST : null),
    stat: async () => ({ isFile: true, mode: 0o600, uid: 0, gid: 0 }),
  };
  return {
    seeds: [
      readFileSync(new URL('../../../policies/default.yaml', import.meta.url)),
      octets(
        'version: 1\nrules:\n  - name: a\n    when: { any: [{ finding: SSN }, { coverage: partial }, { not: { recipient_domain: [{ file: list.txt }] } }] }\n    then: { deliver: [{ tls: dane }, { pgp: encrypt }, portal] }\n    warn: text\n  - { name: b, when: { phi: true }, lowers: true, reason: r, then: hold }\ntests:\n  - { name: t, expect: hold }\n',
      ),
    ],
    tokens: [
      ...YAML_TOKENS,
      ...[
        'version',
        'rules',
        'name',
        'when',
        'then',
        'warn',
        'lowers',
        'reason',
        'tests',
        'expect',
        'all',
        'any',
        'not',
        'phi',
        'finding',
      ],
      ...[
        'coverage',
        'subject_tag',
        'recipient_domain',
        'recipient',
        'sender',
        'organization',
        'size',
        'file',
        'list.txt',
        '../list.txt',
      ],
      ...[
        'deliver',
        'hold',
        'bounce',
        'tls',
        'pgp',
        'smime',
        'portal',
        'portal+',
        'may',
        'encrypt',
        'verify',
        'dane',
        'SSN',
        'SSN:high:2',
        '10 MB',
      ],
    ].map((token) => Buffer.from(token)),
    check: async (given) => {
      const input = shortened(given);
      text = input;
      const result = await loadPolicy('policies/default.yaml', OPTIONS, deps);
      const problems = 'problems' in result ? result.problems : result.warnings;
      claim(!('problems' in result) || problems.length > 0, 'refused for nothing');
      claim('problems' in result || result.policy.rules.length > 0, 'a policy without rules');
      const count = linesIn(input);
      for (const problem of problems) {
        const isList = problem.file.endsWith('.txt');
        placed(problem, isList ? linesIn(LIST) : count, isList ? problem.file : 'policies/default.yaml');
      }
    },
  };
}
