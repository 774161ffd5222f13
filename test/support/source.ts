// What the tests and scripts that look at the shape of the code know of a source file: its imports (also `import type`, re-exports, dynamic
// ones and worker URLs), its functions with their length, and whether it uses the global `fetch`. Logs nothing. It cannot follow a specifier
// that is put together at run time; `computed` counts those.

import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { parse } from '@babel/parser';

export type Import = {
  /** As written: `node:fs`, `zod`, `../domain/ids.ts`. */
  readonly specifier: string;
  /** Path below the root for a relative one, else null. */
  readonly file: string | null;
  /** Package name or `node:` module for the others. */
  readonly module: string | null;
  readonly line: number;
};
export type SourceFunction = { readonly name: string; readonly line: number; readonly lines: number };
export type SourceFile = {
  /** Below the root, with `/`: `relay/accept.ts`. */
  readonly path: string;
  /** First folder of the path, or the file's own name at the top: `relay`, `main.ts`. */
  readonly folder: string;
  readonly lines: number;
  readonly imports: readonly Import[];
  readonly functions: readonly SourceFunction[];
  /** Lines on which the global `fetch` is named. */
  readonly fetches: readonly number[];
  /** Lines of imports whose specifier is not a literal. */
  readonly computed: readonly number[];
};

type Node = { type: string; loc: { start: { line: number }; end: { line: number } } } & Record<string, unknown>;

/** All `.ts` files below `root`, sorted by path. */
export function readSources(root: string): SourceFile[] {
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
    .sort()
    .map((path) => describeSource(path, readFileSync(join(root, path), 'utf8')));
}

/** One file; `path` is where it stands below the root. */
export function describeSource(path: string, text: string): SourceFile {
  const program = parse(text, { sourceType: 'module', plugins: ['typescript', 'importAttributes'] }).program;
  const file = {
    path,
    folder: path.split('/')[0]!,
    lines: text.split('\n').length - 1,
    imports: [] as Import[],
    functions: [] as SourceFunction[],
    fetches: [] as number[],
    computed: [] as number[],
  };
  walk(program as unknown as Node, null, (node, parent) => note(file, node, parent));
  return file;
}

type Draft = { path: string; imports: Import[]; functions: SourceFunction[]; fetches: number[]; computed: number[] };

function note(file: Draft, node: Node, parent: Node | null): void {
  const line = node.loc.start.line;
  const specifier = specifierOf(node);
  if (typeof specifier === 'string') file.imports.push(importOf(file.path, specifier, line));
  else if (specifier === null) file.computed.push(line);
  if (FUNCTIONS.has(node.type) && node.body) {
    file.functions.push({ name: nameOf(node, parent), line, lines: node.loc.end.line - line + 1 });
  }
  const isProperty = parent?.type === 'MemberExpression' || parent?.type === 'ObjectProperty';
  if (node.type === 'CallExpression' && (node.callee as Node).type === 'Identifier') {
    if ((node.callee as Node).name === 'fetch') file.fetches.push(line);
  } else if (node.type === 'MemberExpression' && !isProperty) {
    const isGlobal = (node.object as Node).name === 'globalThis' && (node.property as Node).name === 'fetch';
    if (isGlobal) file.fetches.push(line);
  }
}

const FUNCTIONS = new Set([
  'FunctionDeclaration',
  'FunctionExpression',
  'ArrowFunctionExpression',
  'ObjectMethod',
  'ClassMethod',
  'ClassPrivateMethod',
]);

/** The specifier that a node imports; null when it is computed, undefined when the node imports nothing. */
function specifierOf(node: Node): string | null | undefined {
  switch (node.type) {
    case 'ImportDeclaration':
    case 'ExportAllDeclaration':
    case 'ExportNamedDeclaration':
      return node.source ? literal(node.source as Node) : undefined;
    case 'TSImportType':
      return literal(node.argument as Node);
    case 'ImportExpression':
      return literal(node.source as Node);
    case 'CallExpression': {
      const callee = node.callee as Node;
      const isImport = callee.type === 'Import' || (callee.type === 'Identifier' && callee.name === 'require');
      return isImport ? literal((node.arguments as Node[])[0]) : undefined;
    }
    case 'NewExpression':
      return workerUrl(node);
    default:
      return undefined;
  }
}

/** `new URL('./worker.ts', import.meta.url)` names a module that another thread loads. */
function workerUrl(node: Node): string | undefined {
  const first = (node.arguments as Node[])[0];
  const path = first && literal(first);
  return (node.callee as Node).name === 'URL' && path?.endsWith('.ts') ? path : undefined;
}

function literal(node: Node | undefined): string | null {
  if (node?.type === 'StringLiteral') return node.value as string;
  if (node?.type === 'TSLiteralType') return literal(node.literal as Node);
  return null;
}

function importOf(from: string, specifier: string, line: number): Import {
  if (specifier.startsWith('.')) {
    return { specifier, file: join(dirname(from), specifier), module: null, line };
  }
  const parts = specifier.split('/');
  const module = specifier.startsWith('@') ? parts.slice(0, 2).join('/') : parts[0]!;
  return { specifier, file: null, module, line };
}

function nameOf(node: Node, parent: Node | null): string {
  const own = node.id ?? node.key ?? parent?.id ?? parent?.key;
  return ((own as Node | undefined)?.name as string | undefined) ?? '(anonymous)';
}

function walk(node: Node, parent: Node | null, visit: (node: Node, parent: Node | null) => void): void {
  visit(node, parent);
  for (const value of Object.values(node)) {
    for (const child of Array.isArray(value) ? value : [value]) {
      if (child && typeof child === 'object' && typeof (child as Node).type === 'string' && (child as Node).loc) {
        walk(child as Node, node, visit);
      }
    }
  }
}

/** Import cycles between files, each as its path of files with the first one repeated at the end; one for every back edge. */
export function importCycles(files: readonly SourceFile[]): string[][] {
  const known = new Map(files.map((file) => [file.path, file]));
  const done = new Set<string>();
  const cycles: string[][] = [];
  const visit = (path: string, trail: readonly string[]): void => {
    const at = trail.indexOf(path);
    if (at >= 0) cycles.push([...trail.slice(at), path]);
    if (at >= 0 || done.has(path)) return;
    for (const { file } of known.get(path)?.imports ?? []) if (file !== null) visit(file, [...trail, path]);
    done.add(path);
  };
  for (const { path } of files) visit(path, []);
  return cycles;
}
