// Errors as people read them: what is wrong, and what to do next.

/** `waits`: another operator has to confirm it. */
export const EXIT = { ok: 0, failed: 1, usage: 2, warnings: 3, waits: 4 } as const;

export class CliError extends Error {
  readonly exit: number;
  /** What to do about it: a command, or a sentence. */
  readonly next: string | undefined;
  constructor(message: string, next?: string, exit: number = EXIT.failed) {
    super(message);
    this.next = next;
    this.exit = exit;
  }
}

export function usage(message: string, next?: string): CliError {
  return new CliError(message, next, EXIT.usage);
}

/** Writes an error to stderr; the stack of an unforeseen one only with SEALRELAY_DEBUG. */
export function tell(error: unknown): void {
  const message = error instanceof Error ? error.message : String(error);
  process.stderr.write(`sealrelay: ${message}\n`);
  const { next } = (error ?? {}) as { readonly next?: unknown };
  if (typeof next === 'string') process.stderr.write(`  next: ${next}\n`);
  if (error instanceof CliError) return;
  if (process.env.SEALRELAY_DEBUG !== undefined && error instanceof Error) {
    process.stderr.write(`${error.stack}\n`);
  }
}
