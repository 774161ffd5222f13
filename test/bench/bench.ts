// `npm run bench`: how many messages a second are accepted and delivered, over 20 sessions, by the gateway with sealing, scan, decision and audit
// on, by a plain Postfix, and by a Postfix with a content filter that runs the same engine, in turns in each round, into the same sink. Prints
// rates, CPU a message by part, memory, and the median of the ratios. What is sent: messages.ts.

import { loadavg } from 'node:os';
import { flag, oneOf, readOptions, someOf, text, whole } from '../support/options.ts';
import { lacking } from '../support/programs.ts';
import { type Bound, boundsOf, type Setting } from './bounds.ts';
import { largeBy } from './large.ts';
import { compare, type Measured, median, type Results, ratio, SESSIONS, WARM_UP } from './measure.ts';
import { makeMessages, SHAPES, type Shape, WORDS_OF } from './messages.ts';
import { makeSlowSync, type SlowSync, without } from './slow-sync.ts';
import { type Bed, type Name, openBed, SYSTEMS } from './systems.ts';

const COUNTS: Readonly<Record<Shape, number>> = { a: 3000, b: 1200, c: 480, d: 160, e: 600 };
const QUICK = 5;
const SLOW_US = 5_000;
const LEAST_FILTER = 0.5;
/** The gateway's workers: they sync nothing. */
const WITHOUT_ENVIRONMENT = /\/src\/worker\.ts\b/;

type Options = ReturnType<typeof askedFor>;
type Line = { readonly setting: Setting; readonly shape: Shape; readonly results: Results };

function askedFor() {
  const usual: readonly Shape[] = ['a', 'b', 'c'];
  const { only, ...options } = readOptions({
    usage: 'npm run bench --',
    about:
      'Measures how many messages a second are accepted and delivered by the gateway with sealing, scan, decision and audit on, by a plain Postfix, and by a Postfix with a content filter of the same engine, in turns in each round, into the same sink. Prints rates, CPU a message by part, memory, and the median of the ratios beside their bounds.',
    options: {
      only: someOf<Shape>(SHAPES, usual, 'messages, with --full all of them'),
      full: flag('in clear, with STARTTLS, and with slow syncs, one after the other'),
      tls: flag('STARTTLS from the sender and to the sink, which is verified, for all'),
      slowSync: flag('5 ms more for every sync of every program (needs gcc)'),
      withoutFilter: flag('leaves out the filter, which takes most of the time'),
      filterCheck: flag('the filter without its scan beside plain Postfix: below 0.5 it is no fair peer'),
      rounds: whole(3, 'of which the median counts'),
      quick: flag('a fifth of the messages'),
      large: flag('one message of 149 MB instead'),
      way: oneOf(['tls', 'pgp', 'smime', 'portal'], 'tls', 'how --large is protected'),
      profile: text('FOLDER', 'V8 profiles of a run of the gateway alone'),
    },
    example: 'npm run bench -- --quick --only a',
    exits: { 0: 'all bounds hold', 1: 'a ratio is below its floor' },
  });
  return { ...options, shapes: options.full && only === usual ? SHAPES : only };
}

function countOf(shape: Shape, options: Options): number {
  return options.quick ? COUNTS[shape] / QUICK : COUNTS[shape];
}

/** One setting: opens all systems, and passes every shape through them. */
async function runSetting(setting: Setting, names: readonly Name[], options: Options): Promise<Line[]> {
  const slow = setting === 'slow syncs' ? makeSlowSync(SLOW_US) : null;
  const tls = setting === 'STARTTLS';
  const bed = await openBed({ names, tls, slow });
  try {
    const lines: Line[] = [];
    for (const shape of options.shapes) {
      const count = countOf(shape, options);
      console.log(
        `\n${shape}: ${describe(shape)}; ${setting}; ${count} messages a round after ${WARM_UP} rounds of warm-up, ${SESSIONS} sessions`,
      );
      const results = await compare({ bed, shape, count, rounds: options.rounds, tls, slow }, printRound);
      for (const [name, rounds] of results) printParts(name, rounds);
      if (slow) checkSlow(bed, slow, results);
      lines.push({ setting, shape, results });
      printRatios(setting, shape, results);
    }
    return lines;
  } finally {
    await bed.close();
    slow?.remove();
  }
}

function describe(shape: Shape): string {
  const messages = makeMessages(shape);
  const size = messages.reduce((sum, { length }) => sum + length, 0) / messages.length / 1000;
  return `${WORDS_OF[shape]} (${size.toFixed(1)} kB)`;
}

function printRound(name: Name, { rate, cpu }: Measured): void {
  const load = loadavg()[0]!.toFixed(1);
  console.log(
    `  ${name.padEnd(20)}${rate.toFixed(0).padStart(6)}/s ${cpu.toFixed(2).padStart(6)} ms CPU a message  (load ${load})`,
  );
}

function printParts(name: Name, rounds: readonly Measured[]): void {
  const of = (pick: (one: Measured) => number) => median(rounds.map(pick));
  const parts = rounds[0]!.parts
    .map(([part]): [string, number] => [part, of((one) => one.parts.find(([other]) => other === part)?.[1] ?? 0)])
    .filter(([, ms]) => ms >= 0.005)
    .map(([part, ms]) => `${part} ${ms.toFixed(2)}`);
  const around = `generator ${of((one) => one.generator).toFixed(2)}, sink ${of((one) => one.sink).toFixed(2)}`;
  const memory = `${(of((one) => one.pss) / 1e6).toFixed(0)} MB`;
  console.log(
    `  ${name}: ${parts.join(', ')}; around it ${around}; ${memory}, ${of((one) => one.sessions)} connections out`,
  );
}

/** Throws when a system did not sync at all under the shim, or a program of it runs without: then it was not active there. */
function checkSlow(bed: Bed, slow: SlowSync, results: Results): void {
  for (const { name, roots } of bed.systems) {
    const unaware = roots.flatMap(({ pid }) => without(pid)).filter((one) => !WITHOUT_ENVIRONMENT.test(one));
    const programs = [...new Set(unaware.map((one) => one.split(' ')[0]))];
    if (programs.length > 0) throw new Error(`syncs of ${name} are not slowed in: ${programs.join(', ')}`);
    if ([...slow.counts(name).values()].every((calls) => calls === 0)) throw new Error(`no sync of ${name} was slowed`);
    const each = results
      .get(name)!
      .at(-1)!
      .syncs.filter(([, calls]) => calls > 0)
      .map(([program, calls]) => `${program} ${calls.toFixed(2)}`);
    console.log(`  syncs a message, each ${SLOW_US / 1000} ms longer: ${name}: ${each.join(', ')}`);
  }
}

function printRatios(setting: Setting, shape: Shape, results: Results): void {
  for (const theirs of ['postfix', 'postfix+filter'] as const) {
    const found = ratio(results, 'gateway', theirs);
    if (found === null) continue;
    const bound = boundsOf(setting, shape, theirs);
    const byCpu = ratio(results, 'gateway', theirs, true)!.toFixed(2);
    console.log(`  gateway ÷ ${theirs}: ${found.toFixed(2)}, by CPU ${byCpu} ${bound ? verdict(found, bound) : ''}`);
  }
}

function verdict(found: number, { goal, floor }: Bound): string {
  const word = found < floor ? 'BELOW THE FLOOR' : found < goal ? 'below the goal' : 'good';
  return `(goal ${goal}, floor ${floor}): ${word}`;
}

/** Prints the table for README.md; gives what is below its floor. */
function conclude(lines: readonly Line[]): string[] {
  const below: string[] = [];
  console.log(
    '\n| | | gateway | ÷ postfix | ÷ postfix with filter | CPU ms: gateway, postfix, with filter | memory MB |',
  );
  console.log('|---|---|---|---|---|---|---|');
  for (const { setting, shape, results } of lines) {
    const each = (pick: (one: Measured) => number, digits: number) =>
      SYSTEMS.map((name) => {
        const rounds = results.get(name);
        return rounds ? median(rounds.map(pick)).toFixed(digits) : '–';
      });
    const against = (['postfix', 'postfix+filter'] as const).map((theirs) => {
      const found = ratio(results, 'gateway', theirs);
      if (found === null) return '–';
      const bound = boundsOf(setting, shape, theirs);
      if (bound && found < bound.floor)
        below.push(`${shape} ÷ ${theirs}, ${setting}: ${found.toFixed(2)} of ${bound.floor}`);
      return bound ? `${found.toFixed(2)} (${bound.goal}; ${bound.floor})` : found.toFixed(2);
    });
    console.log(
      `| ${shape}: ${WORDS_OF[shape]} | ${setting} | ${each((one) => one.rate, 0)[0]}/s | ${against.join(' | ')} | ${each((one) => one.cpu, 2).join(', ')} | ${each((one) => one.pss / 1e6, 0).join(', ')} |`,
    );
  }
  console.log('In brackets: goal; floor.');
  return below;
}

async function profile(folder: string, options: Options): Promise<void> {
  const bed = await openBed({
    names: ['gateway'],
    tls: options.tls,
    slow: null,
    flags: ['--cpu-prof', `--cpu-prof-dir=${folder}`],
  });
  try {
    for (const shape of options.shapes) {
      const count = countOf(shape, options);
      const results = await compare({ bed, shape, count, rounds: 1, tls: options.tls, slow: null }, printRound);
      for (const [name, rounds] of results) printParts(name, rounds);
    }
  } finally {
    await bed.close();
  }
}

async function checkFilter(options: Options): Promise<boolean> {
  const names: Name[] = ['postfix', 'postfix+idle filter'];
  let good = true;
  for (const { shape, results } of await runSetting(options.tls ? 'STARTTLS' : 'in clear', names, options)) {
    const found = ratio(results, 'postfix+idle filter', 'postfix')!;
    const byCpu = ratio(results, 'postfix+idle filter', 'postfix', true)!.toFixed(2);
    good &&= found >= LEAST_FILTER;
    console.log(
      `${shape}: the filter without its scan ÷ postfix: ${found.toFixed(2)}, by CPU ${byCpu} (at least ${LEAST_FILTER})`,
    );
  }
  return good;
}

async function rates(options: Options): Promise<boolean> {
  const names = SYSTEMS.filter((name) => !(options.withoutFilter && name === 'postfix+filter'));
  const one: Setting = options.slowSync ? 'slow syncs' : options.tls ? 'STARTTLS' : 'in clear';
  const settings: readonly Setting[] = options.full ? ['in clear', 'STARTTLS', 'slow syncs'] : [one];
  const lines: Line[] = [];
  for (const setting of settings) lines.push(...(await runSetting(setting, names, options)));
  const below = conclude(lines);
  for (const one of below) console.log(`BELOW THE FLOOR: ${one}`);
  return below.length === 0;
}

async function main(): Promise<number> {
  const options = askedFor();
  const slow = options.slowSync || options.full;
  const missing = lacking(slow ? ['postfix', 'gcc'] : ['postfix']);
  if (missing.length > 0) {
    console.error(`needs: apt-get install ${missing.join(' ')}`);
    return 2;
  }
  if (options.profile !== undefined) await profile(options.profile, options);
  else if (options.large) return (await largeBy(options.way)) ? 0 : 1;
  else if (options.filterCheck) return (await checkFilter(options)) ? 0 : 1;
  else return (await rates(options)) ? 0 : 1;
  return 0;
}

process.exitCode = await main();
