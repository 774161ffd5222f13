// The shape of what may be asked: a name, who may ask it, the arguments it takes, and a function.

import type { z } from 'zod';
import type { Guard } from './approvals/guarded.ts';
import type { Caller, ControlDeps } from './deps.ts';

/** `usage`: the caller can put it right; `forbidden`: the role may not; `waits`: another operator has to confirm it; `failed`: the
 *  gateway could not. */
export class ControlError extends Error {
  readonly code: 'usage' | 'forbidden' | 'unknown token' | 'not found' | 'waits' | 'failed';
  /** What to do about it, in words. */
  readonly next: string | undefined;
  constructor(code: ControlError['code'], message: string, next?: string) {
    super(message);
    this.code = code;
    this.next = next;
  }
}

/** Hands over part of a long answer; resolves when the caller can take more. */
export type Page = (rows: readonly unknown[]) => Promise<void>;

export type Context = {
  readonly deps: ControlDeps;
  readonly caller: Caller;
  readonly page: Page;
  /** What another operator confirmed, or break-glass passed: the guard's `of`. */
  readonly confirmed: string | null;
};

export type Command = {
  readonly name: string;
  /** `read` answers both roles on both sockets; `write` answers an admin on the control socket. */
  readonly access: 'read' | 'write';
  readonly args: z.ZodType;
  readonly run: (context: Context, args: never) => Promise<unknown>;
  /** What of it takes another operator, where the configuration says so. */
  readonly guard?: (deps: ControlDeps, args: never) => Promise<Guard> | Guard;
};

/** Ties the type of the arguments to their schema. */
export function command<S extends z.ZodType>(
  name: string,
  access: Command['access'],
  args: S,
  run: (context: Context, args: z.output<S>) => Promise<unknown>,
  guard?: (deps: ControlDeps, args: z.output<S>) => Promise<Guard> | Guard,
): Command {
  return { name, access, args, run, ...(guard && { guard }) };
}
