import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { sealrelay, startGateway } from '../support/gateway.ts';
import { testWith } from '../support/programs.ts';
import { writeRelay } from '../support/relay.ts';

// A disk that fails ends the gateway, so that whoever supervises it starts it again; it does not stay and refuse mail.

testWith(['prlimit'])(
  'no octet can be written any more: the process ends with 1',
  async () => {
    const files = await writeRelay({ sinkPort: 9, domains: ['clinic.example'] });
    const gateway = await startGateway(files);
    try {
      execFileSync('prlimit', ['--pid', String(gateway.pid), '--fsize=1:1']);
      // It has to be written down, and cannot be; whether that is answered before the end does not matter.
      await sealrelay(files, ['user', 'add', 'ops', '--role', 'admin']);
      expect(await gateway.ended).toBe(1);
      expect(gateway.log()).toContain('the disk failed');
    } finally {
      await gateway.kill();
      rmSync(files.folder, { recursive: true });
    }
  },
  30_000,
);

test('a lost database is not begun anew over the keys of the bodies that are left', async () => {
  const files = await writeRelay({ sinkPort: 9, domains: ['clinic.example'] });
  try {
    await (await startGateway(files)).stop();
    const keys = () => readFileSync(join(files.storage, 'bodies', 'keys.jsonl'), 'utf8');
    const before = keys();
    for (const end of ['', '-wal', '-shm']) rmSync(join(files.storage, `queue.db${end}`), { force: true });
    await expect(startGateway(files)).rejects.toThrow('bring back the last backup');
    // Nor at a second try: the database that the first one made is empty.
    await expect(startGateway(files)).rejects.toThrow('is gone or new');
    expect(keys()).toBe(before);
  } finally {
    rmSync(files.folder, { recursive: true });
  }
}, 30_000);
