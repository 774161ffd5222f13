// What is wrong with a file that people wrote, said so that they find it: file, line, column, key, words, and the word
// they probably meant. Problems are values; nothing here throws.

export type KeyPath = readonly (string | number)[];

/** `line` and `column` count from 1; `path` is empty when the file as a whole is meant. */
export type ConfigProblem = {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly path: string;
  readonly message: string;
};

/** `listen.smtp.tls`, `organizations[0].domains[1]`, `floors.domains["example.org"]`. */
export function pathText(path: KeyPath): string {
  let text = '';
  for (const step of path) {
    if (typeof step === 'number') text += `[${step}]`;
    else if (/^[A-Za-z_][A-Za-z0-9_]*$/.test(step)) text += text === '' ? step : `.${step}`;
    else text += `[${JSON.stringify(step)}]`;
  }
  return text;
}

/** `config/gateway.yaml:6:10 listen.smtp.tls: must be …`, printable: what is quoted may hold anything. */
export function problemText(problem: ConfigProblem): string {
  const where = `${problem.file}:${problem.line}:${problem.column}`;
  const text = problem.path === '' ? `${where}: ${problem.message}` : `${where} ${problem.path}: ${problem.message}`;
  return text.replace(/\p{Cc}/gu, (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`);
}

/** By file, line and column, the same problem once. */
export function sortedProblems(problems: readonly ConfigProblem[]): ConfigProblem[] {
  const once = new Map(problems.map((problem) => [problemText(problem), problem]));
  return [...once.values()].sort(
    (a, b) =>
      a.file.localeCompare(b.file) || a.line - b.line || a.column - b.column || a.message.localeCompare(b.message),
  );
}

/** Edits between two words, a swap of neighbours being one. */
function distance(a: string, b: string): number {
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      let cost = Math.min(last[j]! + 1, row[j - 1]! + 1, last[j - 1]! + same);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) cost = Math.min(cost, before[j - 2]! + 1);
      row.push(cost);
    }
    before = last;
    last = row;
  }
  return last[b.length]!;
}

/** The known word nearest to what was written, when it is near enough to be what was meant. */
export function nearest(written: string, known: readonly string[]): string | null {
  const plain = (word: string) => word.toLowerCase().replaceAll(/[-_ ]/g, '');
  const short = written.slice(0, 64);
  let best: string | null = null;
  let least = Math.max(1, Math.floor(Math.min(short.length, 12) / 3)) + 1;
  for (const word of known) {
    const edits = plain(short) === plain(word) ? 0 : distance(plain(short), plain(word));
    if (edits < least) [best, least] = [word, edits];
  }
  return best;
}

/** `, did you mean …?` or nothing. */
export function didYouMean(hint: string | null | undefined): string {
  return hint === null || hint === undefined ? '' : `, did you mean "${hint}"?`;
}

/** `a, b or c` */
export function orList(words: readonly string[]): string {
  return words.length < 2 ? (words[0] ?? '') : `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`;
}
