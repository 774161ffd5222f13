// How the faults of the matrix are made: real ones where they can be, else a port of the gateway that is told to fail.

import { execFileSync, spawn } from 'node:child_process';
import { closeSync, constants, openSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { ask } from '../../../src/cli/client.ts';
import type { ReloadReport } from '../../../src/control/deps.ts';
import { visitor } from '../../support/pick-up.ts';
import { descendants } from '../../support/processes.ts';
import { until } from '../world.ts';
import type { Fault } from './inject.ts';
import { type Anchoring, type Made, type Matrix, POLICY, type Undo } from './matrix.ts';

export type Make = {
  readonly make: (matrix: Matrix) => Made | Promise<Made>;
  /** Where the letter goes: partner.test unless told. */
  readonly to?: string;
  /** The fault is made while the letter waits. */
  readonly meanwhile?: true;
};

/** Ports (`queue`) or methods of them (`queue.accept`) that fail. */
export function port(faults: Readonly<Record<string, Fault>>, to?: string): Make {
  return { make: (matrix) => matrix.port(faults), ...(to !== undefined && { to }) };
}

export function dns(
  to: string,
  how: { readonly fault?: 'SERVFAIL' | 'silent' | 'garbage'; readonly late?: number },
): Make {
  return {
    to,
    make: ({ world: { dns: server } }) => {
      const right = server.zones[to]!;
      server.zones[to] = { ...right, ...how };
      return {
        bites: () => server.asked.some((one) => one.endsWith(` ${to}`)),
        undo: () => {
          server.zones[to] = right;
        },
      };
    },
  };
}

/** The resolver says of every name that it does not exist, as in a captive portal. */
export function denyingDns(to: string): Make {
  return {
    to,
    make: ({ world: { dns: server } }) => {
      const right = { ...server.zones };
      for (const name of Object.keys(right)) delete server.zones[name];
      const asked = server.asked.length;
      return {
        bites: () => server.asked.slice(asked).some((one) => one.endsWith(` ${to}`)),
        undo: () => Object.assign(server.zones, right),
      };
    },
  };
}

/** What a peer does at MAIL; `late`: at the final dot, since commands come together. */
export function peer(how: 'drops' | 'silent' | 'junk' | 'late'): Make {
  const at = how === 'late' ? '.' : 'MAIL';
  return {
    make: (matrix) => {
      matrix.play((command, ctx) => {
        if (!command.startsWith(at)) return undefined;
        if (how === 'drops') ctx.drop();
        if (how === 'junk') ctx.raw('\x00\xff what?\n\n250-\r\n999 x\r\n');
        if (how === 'late') setTimeout(() => ctx.raw('250 2.0.0 taken\r\n'), 300);
        return null;
      });
      return {
        bites: () => matrix.commands().some((one) => one.startsWith(at)),
        undo: () => {
          matrix.play(null);
          if (how !== 'late') matrix.world.peer('partner.test').hangUp();
        },
      };
    },
  };
}

/** A server without TLS is not a fault that passes: what was decided next is taken. */
export const withoutTls: Make = { to: 'plain.test', make: () => ({ undo: () => {} }) };

/** The examiner's process is stopped, as when the system has no time for it. */
export const stoppedExaminer: Make = {
  make: ({ world }) => {
    const { pid, log } = world.gateway();
    const isExaminer = (one: number) => {
      const line = readFileSync(`/proc/${one}/cmdline`, 'utf8');
      return line.includes('worker.ts') && !line.includes('--allow-fs-write');
    };
    const examiners = descendants(pid).filter(isExaminer);
    if (examiners.length === 0) throw new Error('no examiner');
    const before = losses(log());
    for (const one of examiners) process.kill(one, 'SIGSTOP');
    return { bites: () => losses(log()) > before, undo: () => {} };
  },
};

const losses = (log: string): number => log.split('the examiner was lost on this message').length;

// ── files of the gateway ──

/** The boxes of what waits are other octets than were written. */
export const damagedRows: Make = {
  meanwhile: true,
  make: ({ world }) => {
    const db = new Database(join(world.files.storage, 'queue.db'));
    db.prepare("UPDATE delivery SET decision = zeroblob(length(decision)) WHERE state = 'ready'").run();
    db.close();
    return { bites: () => world.gateway().log().includes('do not open: held'), undo: () => {} };
  },
};

/** The body of what came last is other octets than were written. */
export const damagedBody: Make = {
  meanwhile: true,
  make: async ({ restart, world: { files, gateway } }) => {
    const db = new Database(join(files.storage, 'queue.db'), { readonly: true });
    const last = db.prepare('SELECT body FROM message ORDER BY n DESC LIMIT 1').pluck().get() as string;
    db.close();
    const { file, offset, length } = JSON.parse(last) as { file: string; offset: number; length: number };
    const [segment] = file.split('/');
    const handle = openSync(join(files.storage, 'bodies', `${segment}.segment`), 'r+');
    writeSync(handle, Buffer.alloc(20, 0xa5), 0, 20, offset + length - 40);
    closeSync(handle);
    // What came a moment ago stands in memory too.
    await restart();
    return { bites: () => gateway().log().includes('the body cannot be opened'), undo: () => {} };
  },
};

/** From now on all threads' calls are treated so by strace. */
export function disk(inject: string): Make {
  return {
    make: async ({ world }) => {
      const calls = inject.slice(0, inject.indexOf(':'));
      const args = ['-f', '-p', String(world.gateway().pid), '-e', `trace=${calls}`, '-e', `inject=${inject}`];
      const tracer = spawn('strace', args, { stdio: ['ignore', 'ignore', 'pipe'] });
      let said = '';
      tracer.stderr.on('data', (chunk) => {
        said += chunk;
      });
      const ended = new Promise((resolve) => tracer.once('exit', resolve));
      await until(
        () => said.includes('attached'),
        () => `attached: ${said}`,
      );
      return {
        bites: () => /sync\(/.test(said),
        undo: async () => {
          tracer.kill('SIGKILL');
          await ended;
        },
      };
    },
  };
}

// ── what ends the gateway ──

/** Brings about the end, or keeps the next start from coming about; gives what was said, and how all is put right. */
export type Ending = (matrix: Matrix) => Promise<{ readonly said: string; readonly undo: Undo }>;

export const failingSync: Ending = async (matrix) => {
  const { world } = matrix;
  const { undo } = await disk('fdatasync:error=EIO:when=1').make(matrix);
  const reply = await world.reply({ to: ['ann@partner.test'] }).catch((error: Error) => ({ text: error.message }));
  expect(reply.text).not.toMatch(/^250/);
  expect(await world.gateway().ended).toBe(1);
  return { said: world.gateway().log(), undo };
};

/** A start that must not come about. */
async function refused({ world, restart }: Matrix): Promise<string> {
  const said = await restart().then(
    () => 'it started',
    (error: Error) => error.message,
  );
  await expect(world.reply({ to: ['ann@partner.test'] })).rejects.toThrow();
  return said;
}

export const damagedKey: Ending = async (matrix) => {
  const { world } = matrix;
  await world.gateway().stop();
  const db = new Database(join(world.files.storage, 'queue.db'));
  const right = db
    .prepare<[], { id: string; box: Buffer }>("SELECT id, box FROM key WHERE purpose = 'index' LIMIT 1")
    .get()!;
  const write = db.prepare('UPDATE key SET box = ? WHERE id = ?');
  write.run(Buffer.alloc(right.box.length, 0xa5), right.id);
  return {
    said: await refused(matrix),
    undo: () => {
      write.run(right.box, right.id);
      db.close();
    },
  };
};

export function keyFile(content: string | null): Ending {
  return async (matrix) => {
    await matrix.world.gateway().stop();
    const path = join(matrix.world.files.storage, 'evaluation-master.key');
    const right = readFileSync(path);
    rmSync(path);
    if (content !== null) writeFileSync(path, content, { mode: 0o600 });
    return { said: await refused(matrix), undo: () => writeFileSync(path, right, { mode: 0o600 }) };
  };
}

/** As on a file server that does not answer: who opens it waits. Here until somebody writes. */
export const hangingKeyFile: Ending = async (matrix) => {
  const { world } = matrix;
  await world.gateway().stop();
  const path = join(world.files.storage, 'evaluation-master.key');
  const right = readFileSync(path);
  rmSync(path);
  execFileSync('mkfifo', ['-m', '600', path]);
  const starting = refused(matrix);
  let end = -1;
  await until(() => {
    // Without a reader it cannot be opened so.
    try {
      end = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK);
    } catch {
      return false;
    }
    return true;
  }, 'waiting for its key');
  await expect(world.reply({ to: ['ann@partner.test'] })).rejects.toThrow();
  closeSync(end);
  return {
    said: await starting,
    undo: () => {
      rmSync(path);
      writeFileSync(path, right, { mode: 0o600 });
    },
  };
};

// ── policy reload ──

const reload = ({ world }: Matrix) =>
  ask<ReloadReport>({ socket: world.files.storage }, 'write', 'reload', { acceptWeaker: false, reason: 'a test' });

/** Another policy file, or none; the reload is refused. */
export function reloaded(policy: string | null): Make {
  return {
    make: async (matrix) => {
      const path = join(matrix.world.files.folder, 'policy.yaml');
      if (policy === null) rmSync(path);
      else writeFileSync(path, policy);
      const report = await reload(matrix);
      expect(report).toMatchObject({ applied: false });
      return {
        undo: async () => {
          writeFileSync(path, POLICY);
          expect(await reload(matrix)).toMatchObject({ applied: true });
        },
      };
    },
  };
}

/** Files are read never, or later; meanwhile the old policy decides. */
export function lateReload(how: 'hangs' | 'slow'): Make {
  return {
    make: async (matrix) => {
      const made = await matrix.port({ 'files.read': how });
      const running = reload(matrix);
      await until(made.bites!, 'reading');
      return {
        ...made,
        undo: async () => {
          await made.undo();
          expect(await running).toMatchObject({ applied: true });
        },
      };
    },
  };
}

// ── the clock, anchors, the portal ──

export function clock(ahead: number, rate: number, meanwhile?: true): Make {
  return {
    make: async (matrix) => {
      await matrix.wish({ clock: { ahead, rate } });
      const undo: Undo = () => matrix.wish({ clock: { ahead: 0, rate: 1 } });
      return meanwhile === undefined ? { undo } : { undo, bites: () => jumped(matrix), byItself: true };
    },
    ...(meanwhile && { meanwhile }),
  };
}

const jumped = ({ world }: Matrix): boolean => world.gateway().log().includes('the clock jumped');

export function anchors(how: Anchoring): Make {
  return {
    make: (matrix) => {
      const asked = matrix.anchoring(how);
      return { bites: () => asked() > 0, undo: () => {} };
    },
  };
}

/** Who follows a link meanwhile sees a page that says nothing. */
export const junkGrants: Make = {
  to: 'parcels.test',
  make: async (matrix) => {
    const made = await matrix.port({ 'parcels.grant': 'garbage' });
    const page = await visitor('https://gw.clinic.test', matrix.portal).get(`/m/${'a'.repeat(32)}`);
    expect(page.status).toBeGreaterThanOrEqual(400);
    return made;
  },
};
