// Sends the real-input set through the gateway, through a Postfix, or straight to the sink, and prints what became of each message.
//   node test/real/real.ts [--through gateway|postfix|direct] [--sink own|smtp-sink] [--starttls] [--all]
// Ends with 1 when a message was changed, lost or doubled, or when one was refused or accepted against expectation. What Postfix changes is
// listed and does not count: it is there to be compared with.

import { parseArgs } from 'node:util';
import { startPostfix } from '../support/postfix.ts';
import { lacking } from '../support/programs.ts';
import { isOneReceived, kindOf } from './compare.ts';
import { readCorpus, SOURCES } from './corpus.ts';
import { startForCorpus } from './gateway.ts';
import { judge } from './judge.ts';
import { type Outcome, ownWitness, postfixWitness, sendAll } from './send.ts';

const { values } = parseArgs({
  options: {
    through: { type: 'string', default: 'gateway' },
    sink: { type: 'string', default: 'smtp-sink' },
    starttls: { type: 'boolean', default: false },
    all: { type: 'boolean', default: false },
  },
});
const missing = lacking([...SOURCES.map(([folder]) => folder), 'postfix']);
if (missing.length > 0) {
  console.error(`needs: apt-get install ${missing.join(' ')}`);
  process.exit(2);
}

const samples = readCorpus();
const witness = values.sink === 'own' ? await ownWitness() : await postfixWitness();
const relay = await startRelay(witness.port);
try {
  const outcomes = await sendAll(samples, relay.port, witness, { starttls: values.starttls, wait: 60_000 });
  report(outcomes);
} finally {
  await relay.stop();
  await witness.close();
}

async function startRelay(sinkPort: number): Promise<{ port: number; stop(): void | Promise<void> }> {
  if (values.through === 'direct') return { port: sinkPort, stop: () => {} };
  if (values.through === 'postfix') {
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
    if (isPlain && !values.all) continue;
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
  console.log(`\n${samples.length} messages through ${values.through}, seen by ${values.sink}`);
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
    ({ verdict, arrived }) => verdict !== null && !(values.through === 'postfix' && arrived !== null),
  );
  console.log(`${wrong} against expectation`);
  if (values.through === 'gateway' && wrong > 0) process.exitCode = 1;
}
