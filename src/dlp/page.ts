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
  #heads: readonly string[] | null = null;

  constructor(text: string) {
    this.text = text;
  }

  /** Cells of table columns whose head matches `label`: a line with a tab, bar, semicolon or comma.
   *  A head reads as its words do: `patient_ssn` and `PatientSSN` as `patient ssn`. */
  *columnCells(label: RegExp): Generator<Cell, void, void> {
    this.#heads ??= [...new Set(this.#allLines().flatMap((line) => this.#headsOf(line)))];
    const known = new Set(this.#heads.filter((head) => label.test(headWords(head))));
    if (known.size === 0) return;
    let separator = '';
    let columns: number[] = [];
    let cells = 0;
    for (const line of this.#allLines()) {
      if (columns.length > 0) {
        const row = this.#cells(line, separator);
        if (row.length === cells) {
          for (const column of columns) yield this.#cell(row[column] as Place);
        } else if (line.end - line.start > 1) columns = [];
      }
      if (columns.length === 0 && line.separator !== '') {
        separator = line.separator;
        const row = this.#cells(line, separator);
        cells = row.length;
        columns = row.flatMap((place, i) => (known.has(this.#textOf(place)) ? [i] : []));
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

  /** What could be heads in this line. */
  #headsOf(line: Line): string[] {
    if (line.separator === '') return [];
    const heads = this.#cells(line, line.separator).filter(({ start, end }) => end > start && end - start < HEAD_MAX);
    return heads.map((place) => this.#textOf(place)).filter((head) => LETTER.test(head) && !LONG_NUMBER.test(head));
  }

  #textOf({ start, end }: Place): string {
    return this.text.slice(start, end);
  }

  #cell(place: Place): Cell {
    return { ...place, text: this.#textOf(place) };
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
