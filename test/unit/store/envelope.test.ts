import type { Address, QueueId } from '../../../src/domain/ids.ts';
import type { StoredEnvelope } from '../../../src/domain/types.ts';
import { decodeEnvelope, encodeEnvelope } from '../../../src/store/bodies/envelope.ts';

const ENVELOPE: StoredEnvelope = {
  id: '05tq3m8k2v0c9a1b2c3d4e5f' as QueueId,
  organization: 'Clinic',
  reversePath: 'lee@clinic.example',
  sender: ['lee@clinic.example' as Address],
  acceptedAt: 1_800_000_000_000,
  acceptedBy: 'gw',
  cause: { kind: 'smtp', key: '05tq3m8k2v0c9a1b2c3d4e5f' },
  origin: 'relayed',
  trace: { helo: 'm365.example', ip: '192.0.2.1', with: 'ESMTPS', proof: ['network'] },
  dsn: { ret: 'HDRS', envid: 'a+b' },
  smtpUtf8: false,
  deliveries: [
    {
      recipient: 'jö@partner.example' as Address,
      dsn: { notify: ['FAILURE', 'DELAY'], orcpt: 'rfc822;x@partner.example' },
      destination: 'partner.example',
      priority: 'bulk',
      expiresAt: 1_800_000_500_000,
    },
  ],
};

test('an envelope comes back as it was, whatever else its maker holds', () => {
  const message = { ...ENVELOPE, parent: 'x' as QueueId };
  expect(decodeEnvelope(encodeEnvelope(message))).toEqual(message);
  expect(decodeEnvelope(encodeEnvelope(ENVELOPE))).toEqual(ENVELOPE);
});

test.each([
  '',
  '{',
  '{}',
  '{"v":2}',
  '{"v":1,"id":"x","deliveries":[]}',
  JSON.stringify({ parcels: ['a'] }),
])('no envelope: %s', (text) => {
  expect(decodeEnvelope(Buffer.from(text))).toBeNull();
});
