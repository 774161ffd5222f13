// `sealrelay mailq`: `queue list` under the name that mail operators know.

import type { Command } from 'commander';
import { registerList } from './queue.ts';

export function register(program: Command): void {
  registerList(program, 'mailq');
}
