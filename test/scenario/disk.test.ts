import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
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
