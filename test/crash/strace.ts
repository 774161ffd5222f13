// Reads what `strace -ff -ttt -T -yy` wrote of one thread.

export type Call = {
  readonly name: string;
  /** What -yy says of the first descriptor: `<path>` or `<TCP:[from->to]>`. */
  readonly file: string;
  /** Arguments and result as printed. */
  readonly text: string;
  /** Seconds since 1970. */
  readonly begun: number;
  readonly ended: number;
  readonly failed: boolean;
};

const LINE = /^(\d+\.\d+) (\w+)\(\d+(<(?:->|[^>"])*>)(.*) <(\d+\.\d+)>$/;

/** Lines without a descriptor or that never ended are left out. */
export function parseCalls(text: string): Call[] {
  return text.split('\n').flatMap((line) => {
    const [, begun, name, file, rest, lasted] = LINE.exec(line) ?? [];
    if (begun === undefined) return [];
    const start = Number(begun);
    return [
      {
        name: name!,
        file: file!,
        text: rest!,
        begun: start,
        ended: start + Number(lasted),
        failed: / = -1 /.test(rest!),
      },
    ];
  });
}
