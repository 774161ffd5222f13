// Newline-delimited JSON, both ways of a local socket. Request {id, token, command, args}; answers {id, page: [...]} as
// many as there are, then one {id, ok: true, data} or {id, ok: false, error: {code, message, next?}}.

/** Octets of one request by the door it comes through: on the control socket a key file may be part of it, in base64. */
export const REQUEST_BOUND = { control: 1024 * 1024, read: 256 * 1024 } as const;
/** Octets of one answer. */
export const ANSWER_BOUND = 16 * 1024 * 1024;

export type RequestFrame = {
  readonly id: number;
  readonly token: string;
  readonly command: string;
  readonly args: unknown;
  /** Do at once what would take another operator. */
  readonly breakGlass?: boolean;
};
export type AnswerFrame =
  | { readonly id: number; readonly page: readonly unknown[] }
  | { readonly id: number; readonly ok: true; readonly data: unknown }
  | {
      readonly id: number;
      readonly ok: false;
      readonly error: { readonly code: string; readonly message: string; readonly next?: string };
    };

export class FrameError extends Error {}

/** Cuts a stream of octets into the JSON values of its lines. Throws FrameError beyond `bound` or for what is no JSON. */
export function frameReader(bound: number): (chunk: Buffer) => unknown[] {
  let rest: Buffer[] = [];
  let held = 0;
  return (chunk) => {
    const frames: unknown[] = [];
    let from = 0;
    for (;;) {
      const end = chunk.indexOf(0x0a, from);
      const piece = chunk.subarray(from, end === -1 ? undefined : end);
      held += piece.length;
      if (held > bound) throw new FrameError(`a frame is longer than ${bound} octets`);
      rest.push(piece);
      if (end === -1) return frames;
      frames.push(parseFrame(Buffer.concat(rest).toString('utf8')));
      rest = [];
      held = 0;
      from = end + 1;
    }
  };
}

function parseFrame(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    throw new FrameError('a frame is not JSON');
  }
}

export function frame(value: RequestFrame | AnswerFrame): string {
  return `${JSON.stringify(value)}\n`;
}
