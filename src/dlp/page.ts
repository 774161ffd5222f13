// A text as detectors look at it, and its tables. Lines are cut into cells once, for all detectors, and only when one asks for
// columns: most of a large attachment is a table.

export type Cell = { readonly start: number; readonly end: number; readonly text: string };
type Place = { readonly start: number; readonly end: number };
type Line = Place & {
  /** What parts its cells; none where it is too short or long for the head of a table. */
  readonly separator: string;
  /** Those that its separator parts, when somebody asked. */
  cells: readonly Place[] | null;
};

/** Units of a line that may be the head of a table, of one head, and cells of a line that are looked at. */
const HEAD_LINE = { least: 5, most: 3_999 };
const HEAD_MAX = 40;
const CELLS_MAX = 500;

export class Page {
  readonly text: string;
  #lines: readonly Line[] | null = null;
  /** What could be heads, and the lines that each stands in. */
  #heads: ReadonlyMap<string, readonly number[]> | null = null;

  constructor(text: string) {
    this.text = text;
  }

  /** Cells of table columns whose head matches `label`: a line with a tab, bar, semicolon or comma.
   *  A head reads as its words do: `patient_ssn` and `PatientSSN` as `patient ssn`. */
  *columnCells(label: RegExp): Generator<Cell, void, void> {
    this.#heads ??= this.#headsOf();
    const known = new Set<string>();
    const tops = new Set<number>();
    for (const [head, at] of this.#heads) {
      if (!label.test(headWords(head))) continue;
      known.add(head);
      for (const line of at) tops.add(line);
    }
    const lines = this.#allLines();
    let next = 0;
    for (const top of [...tops].sort((a, b) => a - b)) {
      // It was a row of the table above.
      if (top < next) continue;
      const { separator } = lines[top] as Line;
      const heads = this.#cells(lines[top] as Line, separator);
      const columns = heads.flatMap((place, i) => (known.has(this.#textOf(place)) ? [i] : []));
      for (next = top + 1; next < lines.length; next++) {
        const line = lines[next] as Line;
        const row = this.#cells(line, separator);
        if (row.length !== heads.length) {
          if (line.end - line.start > 1) break;
          continue;
        }
        for (const column of columns) yield this.#cell(row[column] as Place);
      }
    }
  }

  #allLines(): readonly Line[] {
    this.#lines ??= linesOf(this.text);
    return this.#lines;
  }

  #cells(line: Line, separator: string): readonly Place[] {
    if (line.separator !== separator) return cellsOf(this.text, line, separator);
    line.cells ??= cellsOf(this.text, line, separator);
    return line.cells;
  }

  #headsOf(): Map<string, number[]> {
    const heads = new Map<string, number[]>();
    for (const [at, line] of this.#allLines().entries()) {
      if (line.separator === '') continue;
      for (const place of this.#cells(line, line.separator)) {
        if (place.end === place.start || place.end - place.start >= HEAD_MAX) continue;
        const text = this.#textOf(place);
        const known = heads.get(text);
        if (known) {
          if (known.at(-1) !== at) known.push(at);
        } else if (LETTER.test(text) && !LONG_NUMBER.test(text)) heads.set(text, [at]);
      }
    }
    return heads;
  }

  #textOf({ start, end }: Place): string {
    return this.text.slice(start, end);
  }

  #cell({ start, end }: Place): Cell {
    return { start, end, text: this.text.slice(start, end) };
  }
}

const LETTER = /[a-zà-ÿ]/i;
const LONG_NUMBER = /\d{4}/;

function headWords(head: string): string {
  return head
    .replace(/_/g, ' ')
    .replace(/([a-z])([A-Z])/g, '$1 $2')
    .toLowerCase();
}

function linesOf(text: string): Line[] {
  const lines: Line[] = [];
  for (let start = 0; start < text.length; ) {
    const lineFeed = text.indexOf('\n', start);
    const end = lineFeed < 0 ? text.length : lineFeed;
    const length = end - start;
    const separator = length < HEAD_LINE.least || length > HEAD_LINE.most ? '' : separatorOf(text.slice(start, end));
    lines.push({ start, end, separator, cells: null });
    start = end + 1;
  }
  return lines;
}

function separatorOf(line: string): string {
  return SEPARATORS.find((separator) => line.includes(separator)) ?? '';
}

const SEPARATORS = ['\t', '|', ';', ','];

function cellsOf(text: string, line: Place, separator: string): Place[] {
  const cells: Place[] = [];
  let at = line.start;
  while (at <= line.end && cells.length < CELLS_MAX) {
    // A quoted cell may hold separators (RFC 4180); quotes inside it are rare enough to be left alone.
    const quoted = text.charCodeAt(at) === QUOTE ? text.indexOf('"', at + 1) : -1;
    const from = quoted > at && quoted < line.end ? quoted : at;
    const found = text.indexOf(separator, from);
    const to = found < 0 || found > line.end ? line.end : found;
    cells.push(trimmed(text, at, to));
    at = to + 1;
  }
  return cells;
}

const QUOTE = 34;

function trimmed(text: string, start: number, end: number): Place {
  let from = start;
  let to = end;
  while (from < to && isTrimmed(text.charCodeAt(from))) from++;
  while (to > from && isTrimmed(text.charCodeAt(to - 1))) to--;
  return { start: from, end: to };
}

/** White space as `\s` has it, and quotes. */
function isTrimmed(unit: number): boolean {
  return unit < 128 ? unit === 32 || unit === QUOTE || (unit > 8 && unit < 14) : /\s/.test(String.fromCharCode(unit));
}
