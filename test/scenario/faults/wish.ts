// A gateway that can be told to fail (inject.ts), and how it is told.

import { createConnection } from 'node:net';
import { fileURLToPath } from 'node:url';
import type { StartOptions } from '../../support/gateway.ts';
import type { Bitten, Wanted } from './inject.ts';

const INJECT = fileURLToPath(new URL('./inject.ts', import.meta.url));
const SPEED = 20;

/** `socket`: a path that is free. */
export function startOf(socket: string): StartOptions {
  return { flags: ['--import', INJECT], env: { FAULTS: socket, SPEED: String(SPEED) } };
}

export function tell(path: string, wanted: Wanted): Promise<Bitten> {
  return new Promise((resolve, reject) => {
    let text = '';
    const socket = createConnection(path, () => socket.write(`${JSON.stringify(wanted)}\n`));
    socket.on('error', reject);
    socket.on('data', (chunk) => {
      text += chunk;
    });
    socket.on('end', () => resolve(JSON.parse(text) as Bitten));
  });
}
