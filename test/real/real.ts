// `node test/real/real.ts`: sends the real-input set through the gateway, through a Postfix, or straight to the sink.

import { flag, oneOf, readOptions } from '../support/options.ts';
import { startPostfix } from '../support/postfix.ts';
import { lacking } from '../support/programs.ts';
import { isOneReceived, kindOf } from './compare.ts';
import { readCorpus, SOURCES } from './corpus.ts';
import { startForCorpus } from './gateway.ts';
import { judge } from './judge.ts';
import { type Outcome, ownWitness, postfixWitness, sendAll } from './send.ts';

const options = readOptions({
  usage: 'node test/real/real.ts',
  about:
    'Sends messages that others wrote, from the packages of Debian, through the gateway, and prints what became of each that was not relayed unchanged. A Postfix in its place is there to be compared with: what it changes does not count.',
  options: {
    through: oneOf(['gateway', 'postfix', 'direct'], 'gateway', 'what they pass'),
    sink: oneOf(['own', 'smtp-sink'], 'smtp-sink', 'what sees them come; smtp-sink is of Postfix'),
    starttls: flag('sends with STARTTLS'),
    all: flag('prints also what was relayed unchanged'),
  },
  example: 'node test/real/real.ts --all',
  exits: { 0: 'all as expected', 1: 'one was changed, lost or doubled, or refused or accepted against expectation' },
});
const missing = lacking([...SOURCES.map(([folder]) => folder), 'postfix']);
if (missing.length > 0) {
  console.error(`needs: apt-get install ${missing.join(' ')}`);
  process.exit(2);
}

const samples = readCorpus();
const witness = options.sink === 'own' ? await ownWitness() : await postfixWitness();
const relay = await startRelay(witness.port);
try {
  const outcomes = await sendAll(samples, relay.port, witness, { starttls: options.starttls, wait: 60_000 });
  report(outcomes);
} finally {
  await relay.stop();
  await witness.close();
}

async function startRelay(sinkPort: number): Promise<{ port: number; stop(): void | Promise<void> }> {
  if (options.through === 'direct') return { port: sinkPort, stop: () => {} };
  if (options.through === 'postfix') {
    return startPostfix(sinkPort, {
      message_drop_headers: '',
      local_header_rewrite_clients: '',
      smtputf8_enable: 'no',
    });
  }
  return startForCorpus(sinkPort, samples);
}

function report(outcomes: readonly Outcome[]): void {
  const judged = outcomes.map((outcome) => ({ ...outcome, verdict: judge(outcome) }));
  const count = (test: (one: (typeof judged)[number]) => boolean) => judged.filter(test).length;
  for (const { sample, reply, arrived, verdict } of judged) {
    const isPlain = arrived?.same && verdict === null;
    if (isPlain && !options.all) continue;
    console.log(`${sample.id} ${sample.name}${sample.faults.length ? ` [${sample.faults.join(', ')}]` : ''}`);
    console.log(`      ${reply.text.split('\r\n').at(-1)}`);
    if (arrived && !arrived.same) {
      console.log(`      ${kindOf(arrived)}, line ${arrived.line}`);
      console.log(
        `      sent ${JSON.stringify(arrived.sent.slice(0, 90))}\n      got  ${JSON.stringify(arrived.got.slice(0, 90))}`,
      );
    }
    if (verdict !== null) console.log(`      !! ${verdict}`);
  }
  const kinds = new Map<string, number>();
  for (const { arrived } of judged)
    if (arrived && !arrived.same) kinds.set(kindOf(arrived), (kinds.get(kindOf(arrived)) ?? 0) + 1);
  console.log(`\n${samples.length} messages through ${options.through}, seen by ${options.sink}`);
  console.log(
    `${count(({ reply }) => reply.code === 250)} accepted, ${count(({ reply }) => reply.code !== 250)} refused`,
  );
  console.log(
    `${count(({ arrived }) => arrived !== null)} arrived, ${count(({ arrived }) => arrived?.same === true)} unchanged`,
  );
  console.log(
    `${count(({ arrived }) => arrived?.same === true && isOneReceived(arrived.trace))} with one Received field in front`,
  );
  for (const [kind, number] of kinds) console.log(`${number} changed: ${kind}`);
  const wrong = count(
    ({ verdict, arrived }) => verdict !== null && !(options.through === 'postfix' && arrived !== null),
  );
  console.log(`${wrong} against expectation`);
  if (options.through === 'gateway' && wrong > 0) process.exitCode = 1;
}
