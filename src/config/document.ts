// YAML text → plain values whose every key and value has a place in the file. Used by the configuration and by policies.
// Refuses what would let a file mean something that it does not show: duplicate keys, aliases (an alias bomb is one),
// tags, several documents, keys that are no text. Cannot tell what a key means; that is the schema's part.

import { isMap, isScalar, isSeq, LineCounter, type Node, type Pair, parseDocument, visit } from 'yaml';
import { type ConfigProblem, type KeyPath, pathText, sortedProblems } from './problem.ts';

export type Place = { readonly line: number; readonly column: number };

/** A file that is well-formed. `value` holds maps, lists, texts, numbers, true/false and null only. */
export type Source = {
  readonly file: string;
  readonly value: unknown;
  /** Place of the value at the path or, with `key`, of its key; the nearest one above it when there is none. */
  readonly place: (path: KeyPath, at?: 'key' | 'value') => Place;
  readonly problem: (path: KeyPath, message: string, at?: 'key' | 'value') => ConfigProblem;
};

export type YamlResult =
  | { readonly ok: true; readonly source: Source }
  | { readonly ok: false; readonly problems: readonly ConfigProblem[] };

/** More than a hundred times the shipped files; reading is on the main thread at start. */
const LARGEST = 1_048_576;

/** One wrong bracket can make an error of each octet behind it. */
const ERRORS_MAX = 100;

const WORDS: Readonly<Record<string, string>> = {
  DUPLICATE_KEY: 'this key stands here twice; keep one',
  TAB_AS_INDENT: 'a tab indents this line; use spaces',
  MULTIPLE_DOCS: 'a second document starts here; one file is one document',
  TAG_RESOLVE_FAILED: 'this value carries a tag (!); write the value alone',
};

type Positions = { readonly line: (offset: number) => Place };

function positions(counter: LineCounter): Positions {
  return {
    line: (offset) => {
      const { line, col } = counter.linePos(offset);
      return { line: Math.max(line, 1), column: Math.max(col, 1) };
    },
  };
}

function startOf(node: unknown): number | null {
  const range = (node as Node | null)?.range;
  return range ? range[0] : null;
}

function pairOf(node: unknown, key: string | number): Pair | null {
  if (!isMap(node)) return null;
  return node.items.find((pair) => isScalar(pair.key) && String(pair.key.value) === String(key)) ?? null;
}

function offsetOf(root: unknown, path: KeyPath, at: 'key' | 'value'): number {
  let node = root;
  let offset = startOf(root) ?? 0;
  for (const [index, step] of path.entries()) {
    const last = index === path.length - 1;
    if (isSeq(node)) {
      node = node.items[Number(step)];
      if (node === undefined) return offset;
      offset = startOf(node) ?? offset;
      continue;
    }
    const pair = pairOf(node, step);
    if (!pair) return offset;
    const key = startOf(pair.key) ?? offset;
    // An empty value has a place after the colon that shows nothing; the key is what the reader looks for.
    const empty = isScalar(pair.value) && pair.value.value === null && !pair.value.source;
    offset = (last && at === 'key') || empty || pair.value === null ? key : (startOf(pair.value) ?? key);
    node = pair.value;
  }
  return offset;
}

/** Parses one YAML 1.2 file; `file` is its name as messages show it. */
export function readYaml(file: string, text: string): YamlResult {
  if (Buffer.byteLength(text) > LARGEST) {
    return { ok: false, problems: [{ file, line: 1, column: 1, path: '', message: 'is larger than 1 MB' }] };
  }
  const counter = new LineCounter();
  const at = positions(counter);
  let document: ReturnType<typeof parseDocument>;
  try {
    document = parseDocument(text, { lineCounter: counter, uniqueKeys: true, prettyErrors: false, version: '1.2' });
  } catch {
    return { ok: false, problems: [{ file, line: 1, column: 1, path: '', message: 'is nested too deeply' }] };
  }
  // Where the stack ended depends on the machine: no place to name.
  if (document.errors.some((error) => error.code === 'RESOURCE_EXHAUSTION')) {
    return { ok: false, problems: [{ file, line: 1, column: 1, path: '', message: 'is nested too deeply' }] };
  }
  const problems: ConfigProblem[] = [...document.errors, ...document.warnings].slice(0, ERRORS_MAX).map((error) => ({
    file,
    ...at.line(error.pos[0]),
    path: '',
    message: WORDS[error.code] ?? `is not YAML: ${error.message.replaceAll(/\s+/g, ' ')}`,
  }));
  if (problems.length === 0) problems.push(...ambiguities(file, document, at));
  if (problems.length > 0) return { ok: false, problems: sortedProblems(problems) };
  const root = document.contents;
  const place: Source['place'] = (path, where = 'value') => at.line(offsetOf(root, path, where));
  return {
    ok: true,
    source: {
      file,
      value: document.toJS({ maxAliasCount: 0 }) as unknown,
      place,
      problem: (path, message, where = 'value') => ({ file, ...place(path, where), path: pathText(path), message }),
    },
  };
}

function ambiguities(file: string, document: ReturnType<typeof parseDocument>, at: Positions): ConfigProblem[] {
  const found: ConfigProblem[] = [];
  const say = (node: unknown, message: string) =>
    found.push({ file, ...at.line(startOf(node) ?? 0), path: '', message });
  visit(document, {
    Alias: (_, node) => say(node, `*${node.source} repeats another value; write the value out`),
    Node: (_, node) => {
      if ('anchor' in node && node.anchor) say(node, `&${node.anchor} names a value for repetition; write values out`);
      if ('tag' in node && node.tag) say(node, 'this value carries a tag (!); write the value alone');
    },
    Pair: (_, pair) => {
      if (!isScalar(pair.key)) say(pair.key, 'this key is not plain text');
      else if (pair.key.value === '__proto__') say(pair.key, '__proto__ cannot be a key');
    },
  });
  return found;
}
