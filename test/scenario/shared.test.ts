// Two organizations behind one address, as all customers of Microsoft 365 are: each sends what its own DKIM signature proves, and
// neither anything else. Debian's python3-dkim signs; the keys stand in DNS.

import { DKIM_SIGNER, type DkimSigning, dkimKey, dkimSigned } from '../support/dkim.ts';
import { testWith } from '../support/programs.ts';
import { openSession, type Reply } from '../support/session.ts';
import { dataOf, type Letter, openWorld, queueIdOf, SENDER, type World } from './world.ts';

const POLICY = `version: 1
rules:
  - { name: all, then: { deliver: [{ tls: encrypt }] } }
`;
const NEIGHBOUR = 'ann@neighbour.test';
const TO = 'pat@there.test';
const NETWORK = '127.0.0.0/8';
const rsa = dkimKey('rsa-sha256');
const edwards = dkimKey('ed25519-sha256');
const clinic: DkimSigning = { domain: 'clinic.cloud.test', selector: 'sel', key: rsa };
const neighbour: DkimSigning = { domain: 'neighbour.test', selector: 'sel', key: edwards };

let world: World;
beforeAll(async () => {
  world = await openWorld({
    policy: POLICY,
    domains: { 'there.test': 'usual' },
    config: {
      organizations: [
        {
          name: 'Clinic',
          domains: ['clinic.test'],
          from: { shared: { networks: [NETWORK], dkim: ['clinic.cloud.test', 'clinic.test'] } },
        },
        {
          name: 'Neighbour',
          domains: ['neighbour.test'],
          from: { shared: { networks: [NETWORK], dkim: ['neighbour.test'] } },
        },
      ],
    },
  });
  Object.assign(world.dns.zones, {
    // So that the resolver is believed where it knows no name.
    'here.com': { A: ['192.0.2.1'] },
    'sel._domainkey.clinic.cloud.test': { TXT: [rsa.record] },
    'down._domainkey.clinic.cloud.test': { fault: 'SERVFAIL' },
    'sel._domainkey.neighbour.test': { CNAME: 'keys.elsewhere.test' },
    'keys.elsewhere.test': { TXT: [edwards.record] },
  });
}, 60_000);
afterAll(async () => await world?.close());

const unsigned = (from = SENDER, text?: string): string =>
  dataOf({ from, to: [TO], subject: 'Your  results', ...(text !== undefined && { text }) });
const send = (data: string, letter: Partial<Letter> = {}): Promise<Reply> => world.reply({ to: [TO], ...letter, data });
/** Messages that are or were there. */
const kept = async () => (await world.run('log', 'search', '--json')).out.trim().split('\n').length;

const scenario = testWith(DKIM_SIGNER);

scenario(
  'each is proven by its own signature, which the trace shows',
  async () => {
    for (const [from, signing, name] of [
      [SENDER, clinic, 'Clinic'],
      [SENDER, { ...clinic, header: 'simple', body: 'simple' }, 'Clinic'],
      [NEIGHBOUR, neighbour, 'Neighbour'],
    ] as const) {
      const data = dkimSigned(unsigned(from), signing);
      const id = queueIdOf(await send(data, { from }));
      const { received, organization } = await world.reaches(id, 'delivered');
      expect(organization).toBe(name);
      expect(received.proof).toEqual(['shared network', `DKIM d=${signing.domain}`, 'header From and reverse-path']);
      expect((await world.run('trace', id)).out).toContain(`"shared network","DKIM d=${signing.domain}"`);
      // The octets that were signed are those that left.
      expect(world.peer('there.test').mails.at(-1)?.data).toContain(data);
    }
  },
  60_000,
);

scenario(
  'a large message in chunks, with a null reverse-path',
  async () => {
    const data = dkimSigned(unsigned(SENDER, 'all  is well \r\n'.repeat(60_000)), clinic);
    const session = await openSession({ port: world.port, starttls: true });
    await session.command('MAIL FROM:<>');
    await session.command(`RCPT TO:<${TO}>`);
    for (let at = 0; at < data.length; at += 99_999) {
      const chunk = data.slice(at, at + 99_999);
      const last = at + 99_999 >= data.length;
      session.raw(Buffer.from(`BDAT ${chunk.length}${last ? ' LAST' : ''}\r\n${chunk}`, 'latin1'));
      const reply = await session.reply();
      if (last) expect(reply.text).toMatch(/^250 2\.6\.0 Queued as /);
    }
    await session.quit();
  },
  60_000,
);

scenario(
  'what is not proven is refused in words, and leaves nothing behind',
  async () => {
    const data = dkimSigned(unsigned(), clinic);
    const before = await kept();
    expect(before).toBeGreaterThanOrEqual(4);
    const logged = () =>
      world
        .gateway()
        .log()
        .match(/"because":"[^"]*"/g) ?? [];
    const cases: readonly (readonly [data: string, reply: RegExp, letter?: Partial<Letter>])[] = [
      [unsigned(), /^550 5\.7\.1 .* needs a DKIM signature of its sender: there is none/],
      [data.replace('nothing', 'anything'), /^550 5\.7\.1 .* does not count, the body was changed/],
      [data.replace('Your', 'My'), /^550 5\.7\.1 .* does not count, it does not fit the header section/],
      [dkimSigned(unsigned(), { ...clinic, age: 90_000 }), /^550 5\.7\.1 .* does not count, older than 24 hours/],
      [dkimSigned(unsigned(), { ...clinic, selector: 'gone' }), /^550 5\.7\.1 .* does not count, there is no key/],
      [dkimSigned(unsigned(), { ...clinic, selector: 'down' }), /^451 4\.7\.5 The key .* cannot be looked up now/],
      // Its own signature, with the neighbour's name on it.
      [
        dkimSigned(unsigned(NEIGHBOUR), clinic),
        /^550 5\.7\.1 .* no signature is by a domain that is registered for it/,
      ],
      [dkimSigned(data, neighbour), /^550 5\.7\.1 The sender is not unambiguous/],
      [dkimSigned(unsigned('eve@elsewhere.test'), clinic), /^550 5\.7\.1 Header From is not a sender/],
      [data, /^550 5\.7\.1 The reverse-path is not a sender/, { mailFrom: NEIGHBOUR }],
      [`Subject: another\r\n${data}`, /^550 5\.6\.0 Header field Subject is there more than once/],
      [`From: ${NEIGHBOUR}\r\n${data}`, /^550 5\.6\.0 Header field From is there more than once/],
    ];
    for (const [message, expected, letter] of cases) {
      const { text } = await send(message, { from: /^From: (.*)\r$/m.exec(message)?.[1] ?? '', ...letter });
      expect(text).toMatch(expected);
      expect(text).not.toMatch(/clinic|neighbour/i);
    }
    expect(logged().length).toBeGreaterThanOrEqual(cases.length);
    expect(logged().join()).not.toMatch(/clinic|neighbour/i);
    expect(await kept()).toBe(before);
  },
  60_000,
);

scenario('a resolver that is cut off from the world delays mail and refuses none', async () => {
  const { 'here.com': com, ...rest } = world.dns.zones;
  for (const name of Object.keys(world.dns.zones)) if (!(name in rest)) delete world.dns.zones[name];
  const cut = await send(dkimSigned(unsigned(), { ...clinic, selector: 'later' }));
  expect(cut.text).toMatch(/^451 4\.7\.5 /);
  Object.assign(world.dns.zones, { 'here.com': com });
});
