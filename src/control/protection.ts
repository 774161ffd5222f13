// A protection as a person writes it: `tls`, `tls: dane`, `tls:may`, `portal`.

import { defaultLevel, LEVELS } from '../domain/protection.ts';
import type { Level, Protection, ProtectionName } from '../domain/types.ts';
import { ControlError } from './command.ts';

const NAMES: readonly ProtectionName[] = ['tls', 'pgp', 'smime', 'portal', 'portal+'];

/** Throws ControlError `usage`. */
export function parseProtection(text: string): Protection {
  const [name = '', level, ...rest] = text.split(':').map((part) => part.trim());
  const known = NAMES.find((one) => one === name);
  if (known === undefined || rest.length > 0 || (level !== undefined && !isLevel(level))) {
    throw new ControlError(
      'usage',
      'not a protection',
      `write one of ${NAMES.join(', ')}, with a level where it matters: tls: ${LEVELS.join(' | ')}`,
    );
  }
  return { name: known, level: level === undefined ? defaultLevel(known) : level };
}

function isLevel(text: string): text is Level {
  return (LEVELS as readonly string[]).includes(text);
}
