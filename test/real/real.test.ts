// The real-input set through the whole gateway: messages that this project did not write arrive octet by octet, or are refused for a
// reason that was read from them independently.

import { testWith } from '../support/programs.ts';
import { readCorpus, type Sample, SOURCES } from './corpus.ts';
import { startForCorpus } from './gateway.ts';
import { judge } from './judge.ts';
import { type Outcome, ownWitness, sendAll } from './send.ts';

const wanted = SOURCES.map(([folder]) => folder);

testWith(wanted)(
  'every message of the real-input set arrives unchanged, or is refused with the right code',
  async () => {
    const samples = readCorpus();
    const outcomes = await through(samples);
    const wrong = outcomes.flatMap((one) => {
      const verdict = judge(one);
      return verdict === null ? [] : [`${one.sample.id} ${one.sample.name}: ${verdict} (${one.reply.code})`];
    });
    expect(wrong).toEqual([]);
    expect(outcomes.filter(({ arrived }) => arrived?.same === true).length).toBeGreaterThanOrEqual(200);
  },
  120_000,
);

async function through(samples: readonly Sample[]): Promise<Outcome[]> {
  const witness = await ownWitness();
  const gateway = await startForCorpus(witness.port, samples);
  try {
    return await sendAll(samples, gateway.port, witness, { wait: 60_000 });
  } finally {
    await gateway.stop();
    await witness.close();
  }
}
