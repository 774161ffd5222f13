import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { startGateway } from '../support/gateway.ts';
import { writeRelay } from '../support/relay.ts';
import { freePort } from '../support/smtp-sink.ts';
import { newDesk, playOn } from './play.ts';

test('gateway.smtp', async () => {
  const files = await writeRelay({ sinkPort: await freePort(), domains: ['clinic.test'] });
  try {
    const gateway = await startGateway(files);
    try {
      const text = readFileSync(join(import.meta.dirname, 'gateway.smtp'), 'utf8');
      expect(await playOn({ port: files.port, desk: newDesk(), clock: null, listener: null }, text)).toBeNull();
    } finally {
      await gateway.stop();
    }
  } finally {
    rmSync(files.folder, { recursive: true, force: true });
  }
});
