import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { play } from './play.ts';

const folder = join(import.meta.dirname, '.');
const files = readdirSync(folder).filter((name) => name.endsWith('.smtp'));

describe('dialogues with the listener', () => {
  test.each(files)('%s', async (file) => {
    expect(await play(readFileSync(join(folder, file), 'utf8'))).toBeNull();
  });
});
