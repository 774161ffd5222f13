// Loaded by `--import` into the gateway of the fault matrix. Waits are SPEED times shorter; ports of the gateway can be told, over the
// local socket that FAULTS names, to throw, to hang until told otherwise, to answer garbage, or to be slow; and the clock to go wrong.
// All else is the gateway as it is.

import { rmSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { createServer } from 'node:net';
import { isMainThread } from 'node:worker_threads';

export type Fault = 'throws' | 'hangs' | 'garbage' | 'slow';
/** By port, or port and method: `queue`, `bodies.create`. Of the clock: `ahead` ms, `rate` of real time. */
export type Wanted = {
  readonly faults?: Readonly<Record<string, Fault>>;
  readonly clock?: { readonly ahead: number; readonly rate: number };
  /** Time that goes by now, for both clocks, ms. */
  readonly passes?: number;
};
/** How often each fault has bitten since it was asked for. */
export type Bitten = Readonly<Record<string, number>>;
type Call = (...args: unknown[]) => unknown;

/** Stands in every error that is thrown: no log may show the words of one. */
export const WORDS = 'words-of-an-error-h7Qk2';
const SPEED = Number(process.env.SPEED ?? 1);
const SLOW = 500;

/** What comes instead of the right answer. */
const GARBAGE: Readonly<Record<string, Call>> = {
  'pool.examine': () => ({ findings: 'none', coverage: null, subjectTags: 7 }),
  'pool.variant': () => ({ size: -1 }),
  'book.forAddress': (keys) =>
    (keys as { public: Uint8Array }[]).map((one) => ({ ...one, public: Buffer.alloc(one.public.length, 0xa5) })),
  'parcels.grant': () => ({ kind: 7, box: 'x' }),
  'audit.proofState': () => ({ head: null, others: [], last: null, standing: null }),
};

let faults: Readonly<Record<string, Fault>> = {};
let bitten: Record<string, number> = {};
let hanging: { readonly name: string; readonly go: () => void }[] = [];

function faultOf(name: string): Fault | undefined {
  return faults[name] ?? faults[name.slice(0, name.indexOf('.'))];
}

function called(name: string, call: Call, args: unknown[]): unknown {
  const fault = faultOf(name);
  if (fault === undefined) return call(...args);
  bitten[name] = (bitten[name] ?? 0) + 1;
  if (fault === 'throws') throw Object.assign(new Error(WORDS), { code: 'EFAULT' });
  if (fault === 'hangs') {
    const held = new Promise<void>((go) => hanging.push({ name, go }));
    return held.then(() => call(...args));
  }
  if (fault === 'slow') return new Promise<void>((go) => realTimeout(go, SLOW)).then(() => call(...args));
  const junk = GARBAGE[name];
  if (junk === undefined) throw new Error(`no garbage for ${name}`);
  return Promise.resolve(call(...args)).then(junk);
}

/** Methods that answer at once: they can throw, and nothing else. */
const AT_ONCE = new Set(['vault.box', 'vault.open', 'bodies.create', 'bodies.handle', 'writer.end']);

export function faulty<T extends object>(port: string, real: T): T {
  return new Proxy(real, {
    get(target, key) {
      const value = Reflect.get(target, key) as unknown;
      if (typeof value !== 'function' || typeof key !== 'string') return value;
      const name = `${port}.${key}`;
      return (...args: unknown[]) => {
        const call: Call = (...given) => {
          const result = value.apply(target, given) as unknown;
          return name === 'bodies.create' ? faulty('writer', result as object) : result;
        };
        if (faultOf(name) !== 'throws' || AT_ONCE.has(name)) return called(name, call, args);
        return new Promise((resolve) => resolve(called(name, call, args)));
      };
    },
  });
}

/** A pool's jobs are named by their first argument: `pool.examine`. */
export function faultyPool<T extends { run: unknown }>(pool: T): T {
  const run = pool.run as Call;
  const named = (...args: unknown[]) =>
    new Promise((resolve) => resolve(called(`pool.${args[0]}`, (...given) => run.apply(pool, given), args)));
  return { ...pool, run: named };
}

export const sleepFor = (ms: number): number => ms / SPEED;

/** Modules that are exchanged for one that wraps what they give. */
const WRAPPED: Readonly<Record<string, string>> = {
  '/src/store/sqlite/open.ts': `export const openStore = async (deps) => {
    const store = await real.openStore(deps);
    const ports = Object.entries(store).filter(([, one]) => typeof one === 'object');
    return { ...store, ...Object.fromEntries(ports.map(([name, one]) => [name, faulty(name, one)])) };
  };`,
  '/src/store/bodies/segments.ts':
    "export const openBodies = async (deps) => faulty('bodies', await real.openBodies(deps));",
  '/src/keys/ring.ts': "export const openRing = async (deps) => faulty('vault', await real.openRing(deps));",
  '/src/work/open.ts': 'export const openPool = (...given) => faultyPool(real.openPool(...given));',
  '/src/config/files.ts': "export const machineDeps = () => faulty('files', real.machineDeps());",
  '/src/main/base.ts':
    'export const clock = { ...real.clock, sleep: (ms, signal) => real.clock.sleep(sleepFor(ms), signal) };',
};

const realNow = Date.now;
const realTimeout = globalThis.setTimeout;
const realInterval = globalThis.setInterval;

type SetClock = { readonly go: (ahead: number, rate: number) => void; readonly pass: (ms: number) => void };

function runClock(): SetClock {
  let since = realNow();
  let from = since;
  let rate = SPEED;
  let ahead = 0;
  Date.now = () => Math.round(from + ahead + (realNow() - since) * rate);
  let passed = 0;
  const realRunning = performance.now.bind(performance);
  Object.defineProperty(performance, 'now', { value: () => realRunning() + passed });
  return {
    go: (nowAhead, nowRate) => {
      from += (realNow() - since) * rate;
      since = realNow();
      rate = nowRate;
      ahead = nowAhead;
    },
    pass: (ms) => {
      from += ms;
      passed += ms;
    },
  };
}

if (isMainThread && process.env.FAULTS !== undefined) {
  const setClock = runClock();
  globalThis.setTimeout = Object.assign(
    (run: () => void, ms = 0, ...rest: []) => realTimeout(run, ms / SPEED, ...rest),
    realTimeout,
  ) as typeof setTimeout;
  globalThis.setInterval = ((run: () => void, ms: number) => realInterval(run, ms / SPEED)) as typeof setInterval;
  registerHooks({
    load(url, context, next) {
      const wrap = Object.entries(WRAPPED).find(([path]) => url.endsWith(path))?.[1];
      if (wrap === undefined) return next(url, context);
      const head = `import * as real from '${url}?real'; export * from '${url}?real';
        import { faulty, faultyPool, sleepFor } from '${import.meta.url}';`;
      return { format: 'module', shortCircuit: true, source: `${head}\n${wrap}` };
    },
  });
  const wish = ({ faults: wanted, clock, passes }: Wanted): Bitten => {
    if (wanted !== undefined) {
      faults = wanted;
      bitten = {};
      const [held, free] = [hanging.filter(({ name }) => faultOf(name) === 'hangs'), hanging];
      hanging = held;
      for (const one of free) if (!held.includes(one)) one.go();
    }
    if (clock !== undefined) setClock.go(clock.ahead, clock.rate * SPEED);
    if (passes !== undefined) setClock.pass(passes);
    return bitten;
  };
  const server = createServer((socket) => {
    let text = '';
    socket.on('error', () => {});
    socket.on('data', (chunk) => {
      text += chunk;
      if (text.endsWith('\n')) socket.end(`${JSON.stringify(wish(JSON.parse(text)))}\n`);
    });
  });
  // That of the gateway before.
  rmSync(process.env.FAULTS, { force: true });
  server.listen(process.env.FAULTS).unref();
}
