// A client of a dialogue: writes what it is told and reads lines. It waits for no reply longer than ten seconds.

import { connect, type Socket } from 'node:net';
import { type ConnectionOptions, type TLSSocket, connect as tlsConnect } from 'node:tls';

const PATIENCE = 10_000;

export class Talker {
  readonly #raw: Socket;
  #socket: Socket;
  #buffer = '';
  #ended = false;
  #wake: () => void = () => {};

  constructor(port: number) {
    this.#raw = connect(port, '127.0.0.1');
    this.#socket = this.#raw;
    this.#listen();
  }

  #listen(): void {
    this.#socket.setNoDelay(true);
    this.#socket.on('data', (chunk: Buffer) => {
      this.#buffer += chunk.toString('latin1');
      this.#wake();
    });
    for (const event of ['close', 'end', 'error']) {
      this.#socket.on(event, () => {
        this.#ended = true;
        this.#wake();
      });
    }
  }

  /** Octets as they are; a string stands for its latin1 octets. */
  send(bytes: string | Uint8Array): void {
    if (this.#socket.writable) this.#socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes);
  }

  /** Next line without CRLF; null when the server closed. Throws when nothing comes. */
  async line(): Promise<string | null> {
    while (true) {
      const end = this.#buffer.indexOf('\r\n');
      if (end >= 0) {
        const line = this.#buffer.slice(0, end);
        this.#buffer = this.#buffer.slice(end + 2);
        return line;
      }
      if (this.#ended) return this.#buffer === '' ? null : `unfinished: ${this.#buffer}`;
      await this.#more();
    }
  }

  #more(): Promise<void> {
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => reject(new Error('the server says nothing')), PATIENCE);
      this.#wake = () => {
        clearTimeout(late);
        resolve();
      };
    });
  }

  /** A whole reply: its last line. */
  async reply(): Promise<string> {
    while (true) {
      const line = await this.line();
      if (line === null) return 'closed';
      if (line[3] !== '-') return line;
    }
  }

  /** Sends each command and gives the last line of the last reply. */
  async say(...commands: readonly string[]): Promise<string> {
    let last = '';
    for (const command of commands) {
      this.send(`${command}\r\n`);
      last = await this.reply();
    }
    return last;
  }

  /** Rejects when the handshake fails. */
  async tls(options: ConnectionOptions): Promise<TLSSocket> {
    this.#raw.removeAllListeners('data');
    const secure = tlsConnect({ socket: this.#raw, servername: 'mx.gateway.example', ...options });
    this.#socket = secure;
    this.#listen();
    await new Promise((resolve, reject) => {
      secure.once('secureConnect', () => resolve(null));
      secure.once('error', reject);
      secure.once('close', () => reject(new Error('closed in the handshake')));
    });
    return secure;
  }

  /** The last octets; only our side is closed. */
  end(bytes: string): void {
    this.#socket.end(bytes, 'latin1');
  }

  close(): void {
    this.#socket.destroy();
  }
}
