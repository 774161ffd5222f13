// What `sealrelay doctor` sees of a storage folder before anybody judges it.

import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gather } from '../../../src/cli/watch/facts.ts';
import { writeRelay } from '../../support/relay.ts';

test('without its reserve a gateway takes no mail until there is space for it', async () => {
  const limits = { reserve_disk: '100MB', reserve_file: '10MB' };
  const files = await writeRelay({ sinkPort: 25, domains: ['clinic.test'], extra: { limits } });
  const needed = async () => (await gather(files.config, null, true)).facts.storage?.reserve;
  expect(await needed()).toBe(120 << 20);
  writeFileSync(join(files.storage, 'reserve'), '');
  expect(await needed()).toBe(100 << 20);
  rmSync(files.folder, { recursive: true });
});
