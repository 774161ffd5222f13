// The key reference of config/README.md and the JSON Schema for editors, both made from the schema, so that no key can
// be documented otherwise than it is read.

import { configJsonSchema, type JsonSchema } from './json-schema.ts';

/** One key: `organizations[].domains`, its default as written in YAML (`-` none, `required`), the manual's sentence. */
export type KeyReference = {
  readonly key: string;
  readonly value: string;
  readonly default: string;
  readonly text: string;
};

/** Every key, in the order of the schema; maps of keys before what is in them. */
export function keyReferences(): KeyReference[] {
  return keysUnder(configJsonSchema(), '');
}

function keysUnder(schema: JsonSchema, above: string): KeyReference[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, key]) => {
    const path = above === '' ? name : `${above}.${name}`;
    return [referenceOf(path, key, schema.required?.includes(name) ?? false), ...keysInside(path, key)];
  });
}

function keysInside(path: string, key: JsonSchema): KeyReference[] {
  if (key.items?.properties) return keysUnder(key.items, `${path}[]`);
  const inMap = key.additionalProperties || undefined;
  if (inMap?.properties) return keysUnder(inMap, `${path}.*`);
  return keysUnder(key, path);
}

function referenceOf(path: string, key: JsonSchema, required: boolean): KeyReference {
  return { key: path, value: valueText(key), default: defaultText(key, required), text: key.description ?? '' };
}

/** What may stand there: the words of a list, the bounds of a number, else the kind. */
function valueText(key: JsonSchema): string {
  if (key.const !== undefined) return `\`${key.const}\``;
  if (key.enum) return key.enum.map((word) => `\`${word}\``).join(', ');
  if (key.minimum !== undefined && key.maximum !== undefined) return `${key.minimum}–${key.maximum}`;
  if (key['x-kind']) return key['x-kind'];
  if (key.type === 'array') return key.items?.properties ? 'list' : `list: ${valueText(key.items ?? {})}`;
  if (key.type === 'object') {
    const inMap = key.additionalProperties || undefined;
    return inMap?.['x-kind'] ? `map: ${inMap['x-kind']}` : 'map';
  }
  return 'text';
}

function defaultText(key: JsonSchema, required: boolean): string {
  if (required) return 'required';
  if (key.default === undefined) return '–';
  const isMap = typeof key.default === 'object' && key.default !== null && !Array.isArray(key.default);
  // A map without a default of its own has those of its keys.
  if (isMap && Object.keys(key.default).length === 0) return '–';
  return `\`${yamlFlow(key.default)}\``;
}

/** In YAML flow style, as the shipped file writes it. */
export function yamlFlow(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(yamlFlow).join(', ')}]`;
  if (value !== null && typeof value === 'object') {
    return `{${Object.entries(value)
      .map(([key, one]) => `${key}: ${yamlFlow(one)}`)
      .join(', ')}}`;
  }
  // `1.2` would be a number.
  return typeof value === 'string' && (value === '' || !Number.isNaN(Number(value))) ? `"${value}"` : String(value);
}

export const REFERENCE_BEGIN = '<!-- keys: made from src/config/schema.ts -->';
export const REFERENCE_END = '<!-- end of keys -->';

/** The table of config/README.md between its two marks. */
export function referenceTable(): string {
  const cell = (text: string) => text.replaceAll('|', '\\|');
  const rows = keyReferences().map(
    (one) => `| \`${one.key}\` | ${cell(one.value)} | ${cell(one.default)} | ${cell(one.text)} |`,
  );
  return ['| key | value | default | meaning |', '|---|---|---|---|', ...rows].join('\n');
}

/** The manual with its table made anew. */
export function withReference(readme: string): string {
  const begin = readme.indexOf(REFERENCE_BEGIN);
  const end = readme.indexOf(REFERENCE_END);
  if (begin < 0 || end < begin)
    return `${readme.trimEnd()}\n\n${REFERENCE_BEGIN}\n\n${referenceTable()}\n\n${REFERENCE_END}\n`;
  return `${readme.slice(0, begin)}${REFERENCE_BEGIN}\n\n${referenceTable()}\n\n${readme.slice(end)}`;
}

/** The same for a terminal: a key with its value and default, its meaning below. */
export function referenceText(): string {
  const entry = (one: KeyReference) => {
    const fallback = one.default === '–' ? '' : one.default === 'required' ? '; required' : `; default ${one.default}`;
    return `${one.key}  (${one.value}${fallback})\n    ${one.text}\n`.replaceAll('`', '');
  };
  return keyReferences().map(entry).join('');
}
