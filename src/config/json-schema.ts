// The schema as JSON Schema: for editors (`config schema`), for the key reference, and to know which keys stand where.

import { z } from 'zod';
import type { KeysAt } from './issues.ts';
import { configSchema } from './schema.ts';

/** The part of JSON Schema that the configuration uses. */
export type JsonSchema = {
  readonly type?: string | readonly string[];
  /** Kind of a text: duration, size, network … */
  readonly 'x-kind'?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly items?: JsonSchema;
  readonly additionalProperties?: JsonSchema | false;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly minimum?: number;
  readonly maximum?: number;
};

/** JSON Schema (draft 2020-12) of the file as people write it. */
export function configJsonSchema(): JsonSchema {
  const made = z.toJSONSchema(
    configSchema((path) => path),
    { io: 'input', unrepresentable: 'any' },
  );
  return { ...made, title: 'Sealrelay configuration' } as JsonSchema;
}

/** Which keys the schema has at a path. */
export function keysOf(root: JsonSchema): KeysAt {
  return (path) => {
    let here: JsonSchema | undefined = root;
    for (const step of path) {
      const inMap: JsonSchema | undefined = here?.additionalProperties || undefined;
      here = typeof step === 'number' ? here?.items : (here?.properties?.[step] ?? inMap);
    }
    return here?.properties ? Object.keys(here.properties) : null;
  };
}
