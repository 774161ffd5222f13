// A text as detectors look at it, and its tables. A table is cut into cells once, for all detectors, and only when the line of its
// heads has a word that one of them asks for: most of a large attachment is a table.

import type { Places } from './hints.ts';
import { type Units, unitsOf } from './units.ts';

export type Cell = { readonly start: number; readonly end: number };
type Line = { readonly start: number; readonly end: number };
type Table = {
  readonly line: Line;
  readonly separator: number;
  readonly heads: readonly Cell[];
  rows: Rows | null;
};
type Rows = {
  /** Start and end of each cell, row after row, each of as many cells as there are heads. */
  readonly bounds: readonly number[];
  /** Where the table is over. */
  readonly end: number;
};

/** Units of a line that may be the head of a table, of one head, and cells of a line that are looked at. */
const HEAD_LINE = { least: 5, most: 3_999 };
const HEAD_MAX = 40;
const CELLS_MAX = 500;

export class Page {
  readonly text: string;
  /** Good as long as no other page is made. */
  readonly units: Units;
  /** By the start of the line of heads; null where that line parts no cells. */
  readonly #tables = new Map<number, Table | null>();

  constructor(text: string) {
    this.text = text;
    this.units = unitsOf(text);
  }

  /**
   * Cells of table columns whose head matches `label`: a line with a tab, bar, semicolon or comma. A head reads as its words
   * do: `patient_ssn` and `PatientSSN` as `patient ssn`. `places`: of words of which every such head has one.
   */
  columnCells(label: RegExp, places: Places): Cell[] {
    const found: Cell[] = [];
    let end = 0;
    for (const place of places) {
      // In a line that was looked at, or a row of the table above.
      if (place < end) continue;
      const line = this.#lineAt(place);
      end = line.end + 1;
      const table = this.#tableAt(line);
      const columns = table === null ? [] : this.#columnsOf(table, label);
      if (table === null || columns.length === 0) continue;
      table.rows ??= this.#rowsOf(table);
      const { bounds } = table.rows;
      for (let row = 0; row < bounds.length; row += 2 * table.heads.length) {
        for (const column of columns) {
          const at = row + 2 * column;
          found.push({ start: bounds[at] as number, end: bounds[at + 1] as number });
        }
      }
      end = Math.max(end, table.rows.end);
    }
    return found;
  }

  #lineAt(place: number): Line {
    const lineFeed = this.text.indexOf('\n', place);
    const start = place === 0 ? 0 : this.text.lastIndexOf('\n', place - 1) + 1;
    return { start, end: lineFeed < 0 ? this.text.length : lineFeed };
  }

  #tableAt(line: Line): Table | null {
    const known = this.#tables.get(line.start);
    if (known !== undefined) return known;
    const { start, end } = line;
    const isHead = end - start >= HEAD_LINE.least && end - start <= HEAD_LINE.most;
    const separator = isHead ? separatorOf(this.text.slice(start, end)) : '';
    let table: Table | null = null;
    if (separator !== '') {
      const bounds: number[] = [];
      const count = this.#cut(line, separator.charCodeAt(0), bounds);
      const heads = Array.from({ length: count }, (_, i) => ({
        start: bounds[2 * i] as number,
        end: bounds[2 * i + 1] as number,
      }));
      table = { line, separator: separator.charCodeAt(0), heads, rows: null };
    }
    this.#tables.set(start, table);
    return table;
  }

  #columnsOf({ heads }: Table, label: RegExp): number[] {
    return heads.flatMap(({ start, end }, i) => {
      if (end === start || end - start >= HEAD_MAX) return [];
      const head = this.text.slice(start, end);
      return LETTER.test(head) && !LONG_NUMBER.test(head) && label.test(headWords(head)) ? [i] : [];
    });
  }

  #rowsOf({ line, separator, heads }: Table): Rows {
    const { text } = this;
    const bounds: number[] = [];
    for (let start = line.end + 1; start < text.length; ) {
      const lineFeed = text.indexOf('\n', start);
      const end = lineFeed < 0 ? text.length : lineFeed;
      const before = bounds.length;
      if (this.#cut({ start, end }, separator, bounds) !== heads.length) {
        bounds.length = before;
        if (end - start > 1) return { bounds, end: start };
      }
      start = end + 1;
    }
    return { bounds, end: text.length };
  }

  /** Adds start and end of each cell of a line; returns how many there are. */
  #cut({ start, end }: Line, separator: number, bounds: number[]): number {
    const { units } = this;
    let count = 0;
    for (let at = start; at <= end && count < CELLS_MAX; count++) {
      // A quoted cell may hold separators (RFC 4180); quotes inside it are rare enough to be left alone.
      let to = at;
      if (at < end && units[at] === QUOTE) {
        let quoted = at + 1;
        while (quoted < end && units[quoted] !== QUOTE) quoted++;
        if (quoted < end) to = quoted;
      }
      while (to < end && units[to] !== separator) to++;
      let last = to;
      while (at < last && isTrimmed(units[at] as number)) at++;
      while (last > at && isTrimmed(units[last - 1] as number)) last--;
      bounds.push(at, last);
      at = to + 1;
    }
    return count;
  }
}

const QUOTE = 34;
const LETTER = /[a-zà-ÿ]/i;
const LONG_NUMBER = /\d{4}/;

function headWords(head: string): string {
  return head
    .replace(/_/g, ' ')
    .replace(/([a-z])([A-Z])/g, '$1 $2')
    .toLowerCase();
}

function separatorOf(line: string): string {
  return SEPARATORS.find((separator) => line.includes(separator)) ?? '';
}

const SEPARATORS = ['\t', '|', ';', ','];

/** White space as `\s` has it, and quotes. */
function isTrimmed(unit: number): boolean {
  return unit < 128 ? unit === 32 || unit === QUOTE || (unit > 8 && unit < 14) : /\s/.test(String.fromCharCode(unit));
}
