// Each file of test/config/broken is refused with exactly the problems that stand at its end as `# => line:column …`.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ConfigDeps, machineDeps } from '../../../src/config/files.ts';
import { loadConfig } from '../../../src/config/load.ts';
import { problemText } from '../../../src/config/problem.ts';
import { loadPolicy } from '../../../src/policy/load.ts';

const folder = join(import.meta.dirname, '../../config/broken');
const machine = machineDeps();
const deps: ConfigDeps = {
  ...machine,
  cwd: folder,
  env: {},
  home: '/home/nobody',
  user: { uid: 0, groups: [] },
  // The expectation is no part of the file: some files end inside a list.
  read: async (path) => {
    const bytes = await machine.read(path);
    return bytes && Buffer.from(bytes.toString('utf8').replaceAll(/^# => .*\n/gm, ''));
  },
  // The checkout's own modes are not what is tested here.
  stat: async (path) => {
    const found = await machine.stat(path);
    return found && { ...found, mode: 0o600, uid: 0 };
  },
};
const known = { live: false, organizations: ['Northside Clinic'], tags: ['secure', 'encrypt'] };
const files = readdirSync(folder).filter((file) => /^\d\d-/.test(file));

async function problemsOf(file: string): Promise<string[]> {
  const result = file.includes('.config.') ? await loadConfig(file, deps) : await loadPolicy(file, known, deps);
  const problems = 'problems' in result ? result.problems : [];
  return problems.map((problem) => problemText(problem).replaceAll(`${folder}/`, '').replace(`${file}:`, ''));
}

test('there are at least 60 broken files', () => {
  expect(files.length).toBeGreaterThanOrEqual(60);
});

test.each(files)('%s', async (file) => {
  const expected = readFileSync(join(folder, file), 'utf8')
    .split('\n')
    .flatMap((line) => (line.startsWith('# => ') ? [line.slice(5)] : []));
  expect(expected).not.toEqual([]);
  expect(await problemsOf(file)).toEqual(expected);
});
