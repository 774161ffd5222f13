// Frames, and the two local sockets with a real control behind them, asked by the command's own client.

import { chmodSync, existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import fc from 'fast-check';
import { ask } from '../../../src/cli/client.ts';
import { FrameError, frame, frameReader, REQUEST_BOUND } from '../../../src/control/frames.ts';
import { openSockets, type Sockets } from '../../../src/control/socket.ts';
import { DELIVER, type Desk, openDesk } from './desk.ts';

describe('frames', () => {
  test('come out as they went in, however the octets are cut', () => {
    const value = { id: 1, token: 'a', command: 'status', args: { words: 'ä\n\u2028' } };
    const octets = Buffer.from(frame(value).repeat(3));
    fc.assert(
      fc.property(fc.array(fc.nat(octets.length)), (cuts) => {
        const read = frameReader(1000);
        const at = [0, ...cuts.sort((a, b) => a - b), octets.length];
        const got = at.slice(1).flatMap((end, i) => read(octets.subarray(at[i], end)));
        expect(got).toEqual([value, value, value]);
      }),
    );
  });

  test('longer than the bound, or no JSON: refused, without a word of it', () => {
    expect(() => frameReader(10)(Buffer.alloc(11, 'x'))).toThrow(FrameError);
    expect(() => frameReader(100)(Buffer.from('{"ann@example.org\n'))).toThrow('a frame is not JSON');
    const read = frameReader(10);
    read(Buffer.alloc(6, 'x'));
    expect(() => read(Buffer.alloc(6, 'x'))).toThrow(FrameError);
  });
});

describe('sockets', () => {
  let desk: Desk;
  let sockets: Sockets;
  let folder: string;
  beforeAll(async () => {
    desk = await openDesk();
    await desk.operators();
    folder = join(desk.folder, 'run');
    sockets = await openSockets({ control: desk.control, folder, groups: {}, log: desk.log });
  });
  afterAll(async () => {
    delete process.env.SEALRELAY_TOKEN_FILE;
    await sockets.close();
    await desk.close();
  });

  function holding(token: string, mode = 0o600): void {
    const file = join(desk.folder, `token-${mode.toString(8)}`);
    writeFileSync(file, `${token}\n`);
    chmodSync(file, mode);
    process.env.SEALRELAY_TOKEN_FILE = file;
  }
  const code = (asked: Promise<unknown>) =>
    asked.then(
      () => 'answered',
      (error: { message: string }) => error.message,
    );

  test('are for owner and group only', () => {
    for (const door of ['control', 'read']) expect(statSync(join(folder, `${door}.sock`)).mode & 0o777).toBe(0o660);
  });

  test('answer who holds a token, and page long answers', async () => {
    holding(desk.tokens.admin);
    await desk.send({ to: Array.from({ length: 450 }, (_, i) => `p${i}@a.test`), action: DELIVER });
    const pages: number[] = [];
    const answer = await ask({ socket: folder }, 'read', 'queue.list', {}, async (rows) => {
      pages.push(rows.length);
    });
    expect([answer, pages]).toEqual([{ rows: 450 }, [200, 200, 50]]);
  });

  test('a token file that others may read is not used', async () => {
    holding(desk.tokens.admin, 0o640);
    const asked = ask({ socket: folder }, 'read', 'status', {});
    await expect(asked).rejects.toMatchObject({ message: expect.stringContaining('can be read by others'), exit: 1 });
    await expect(asked).rejects.toMatchObject({ next: expect.stringContaining('chmod 600') });
  });

  test('no token, a wrong token, a role that may not: each says what to do', async () => {
    process.env.SEALRELAY_TOKEN_FILE = join(desk.folder, 'none');
    expect(await code(ask({ socket: folder }, 'read', 'status', {}))).toContain('you have no token');
    holding('');
    expect(await code(ask({ socket: folder }, 'read', 'status', {}))).toContain('you have no token');
    holding('a'.repeat(32));
    expect(await code(ask({ socket: folder }, 'read', 'status', {}))).toBe('your token is not known');
    holding(desk.tokens.auditor);
    expect(await code(ask({ socket: folder }, 'read', 'status', {}))).toBe('answered');
    expect(await code(ask({ socket: folder }, 'write', 'reload', {}))).toContain('an auditor reads');
  });

  /** Writes lines and gives every answer until the other end closes, or `answers` have come. */
  function raw(door: string, lines: readonly string[], answers = Number.POSITIVE_INFINITY): Promise<unknown[]> {
    return new Promise((resolve) => {
      const socket = createConnection(join(folder, `${door}.sock`));
      const read = frameReader(1 << 20);
      const got: unknown[] = [];
      socket.on('data', (chunk) => {
        got.push(...read(chunk as Buffer));
        if (got.length >= answers) socket.destroy();
      });
      socket.on('error', () => undefined);
      socket.on('close', () => resolve(got));
      socket.write(lines.join(''));
    });
  }
  const request = (command: string, token: string) => frame({ id: 1, token, command, args: {} });

  test('the read socket changes nothing, whoever asks', async () => {
    const [answer] = await raw('read', [request('reload', desk.tokens.admin)], 1);
    expect(answer).toMatchObject({ ok: false, error: { code: 'forbidden', message: 'this socket only reads' } });
  });

  test('after three wrong tokens the connection ends, what came with them untried', async () => {
    const wrong = request('status', 'b'.repeat(32));
    const got = await raw('control', [wrong, wrong, wrong, request('status', desk.tokens.admin)]);
    expect(got).toHaveLength(3);
  });

  test.each([
    ['no JSON', '{\n'],
    ['no request', '{"id":"1"}\n'],
    ['null', 'null\n'],
    ['too long', 'x'.repeat(REQUEST_BOUND.control + 1)],
    ['too many at once', frame({ id: 1, token: '', command: 'status', args: {} }).repeat(40)],
  ])('%s ends the connection, and the log quotes nothing', async (_, text) => {
    const before = desk.logged.length;
    expect(await raw('control', [text])).toEqual([]);
    expect(desk.logged.slice(before).join()).toContain('control connection closed');
    expect(await raw('control', [request('status', desk.tokens.admin)], 1)).toMatchObject([{ ok: true }]);
  });

  test('what is in the way and is no socket stays, and nothing is left open', async () => {
    const other = join(desk.folder, 'other');
    const open = () => openSockets({ control: desk.control, folder: other, groups: {}, log: desk.log });
    mkdirSync(other);
    writeFileSync(join(other, 'read.sock'), 'a file');
    await expect(open()).rejects.toThrow('is in the way and is not a socket');
    expect(existsSync(join(other, 'control.sock'))).toBe(false);
  });

  test('a group that is not there is said, with the command that makes it', async () => {
    const other = join(desk.folder, 'groups');
    const groups = { control: 'no-such-group-here' };
    const opening = openSockets({ control: desk.control, folder: other, groups, log: desk.log });
    await expect(opening).rejects.toThrow('groupadd --system no-such-group-here');
  });

  test('nobody there: says how to start it', async () => {
    const asked = ask({ socket: join(desk.folder, 'nowhere') }, 'read', 'status', {});
    await expect(asked).rejects.toMatchObject({ next: expect.stringContaining('systemctl start sealrelay'), exit: 1 });
  });
});
