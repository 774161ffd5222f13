// The configuration that is in force, written as YAML with every default filled in: for `config show --effective` and to
// compare two. Durations and sizes in words, secrets as their reference only.

import { stringify } from 'yaml';
import { protectionText } from '../domain/protection.ts';
import type { Protection } from '../domain/types.ts';
import { configJsonSchema, type JsonSchema } from './json-schema.ts';
import type { Cidr, HostPort } from './names.ts';
import type { Config } from './schema.ts';
import { durationText, rateText, sizeText, termText } from './units.ts';

/** Plain values in the words of the file, in the order of the schema. */
export type Effective = { readonly [key: string]: unknown };

function writtenProtection(protection: Protection): unknown {
  const short = protectionText(protection);
  return short.includes(':') ? { [protection.name]: protection.level } : short;
}

function ofKind(kind: string | undefined, value: unknown): unknown {
  switch (kind) {
    case 'rate':
      return rateText(value as number);
    case 'duration':
      return durationText(value as number);
    case 'term':
      return termText(value as number);
    case 'size':
      return sizeText(value as number);
    case 'network':
      return (value as Cidr).text;
    case 'protection':
      return writtenProtection(value as Protection);
    case 'host:port': {
      const { host, port } = value as HostPort;
      return `${host.includes(':') ? `[${host}]` : host}:${port}`;
    }
    default:
      return value;
  }
}

function written(value: unknown, schema: JsonSchema | undefined): unknown {
  if (schema?.['x-kind']) return ofKind(schema['x-kind'], value);
  if (Array.isArray(value)) return value.map((one) => written(one, schema?.items));
  if (value === null || typeof value !== 'object') return value;
  const inside = (key: string) => schema?.properties?.[key] ?? (schema?.additionalProperties || undefined);
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, written(one, inside(key))]));
}

export function effectiveValue(config: Config): Effective {
  const { version, mode, hostname, node, ...rest } = written(config, configJsonSchema()) as Record<string, unknown>;
  return { version, mode, hostname, node, ...rest };
}

/** As YAML that the gateway would read again. */
export function effectiveText(config: Config): string {
  return stringify(effectiveValue(config), { lineWidth: 0 });
}
