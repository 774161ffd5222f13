// What is known to have ended at the lost gateway, or to have come to its recipients: read from what people have at hand. A
// line is a queue id, a delivery id, a Message-ID, or a row of `log search` as --json or --csv writes it. Rows count when the
// delivery had ended: delivered, noticed, bounced or dropped. Pure.

import { isQueueId, messageOf } from '../../domain/ids.ts';
import { isEnded } from '../../domain/states.ts';
import type { DeliveryState } from '../../domain/types.ts';
import { usage } from '../errors.ts';

export type Known = {
  /** Queue ids (all recipients), delivery ids (one) and Message-IDs without angle brackets. */
  readonly ids: ReadonlySet<string>;
  readonly messageIds: ReadonlySet<string>;
};

/** Throws CliError that names the line it does not understand. */
export function readKnown(text: string): Known {
  const ids = new Set<string>();
  const messageIds = new Set<string>();
  let columns: { readonly delivery: number; readonly state: number } | null = null;
  for (const [index, whole] of text.split(/\r?\n/).entries()) {
    const line = whole.trim();
    const cells = line === '' || line.startsWith('{') ? [] : cellsOf(line);
    if (line === '' || line.startsWith('#')) continue;
    if (cells.includes('delivery') && cells.includes('state')) {
      columns = { delivery: cells.indexOf('delivery'), state: cells.indexOf('state') };
      continue;
    }
    const row = line.startsWith('{') ? rowOf(line) : columns && rowOfCells(cells, columns);
    if (row) {
      if (isEnded(row.state)) ids.add(row.delivery);
    } else if (isId(line)) ids.add(line);
    else if (/^<?[^\s<>]+@[^\s<>]+>?$/.test(line)) messageIds.add(line.replace(/^<|>$/g, ''));
    else {
      throw usage(
        `line ${index + 1} is no queue id, delivery id, Message-ID or row of log search`,
        'one a line, or: sealrelay log search --since 7d --csv on the old gateway',
      );
    }
  }
  return { ids, messageIds };
}

export function isKnown(
  { ids, messageIds }: Known,
  one: { readonly delivery: string; readonly queueId: string; readonly messageId: string | null },
): boolean {
  if (ids.has(one.delivery) || ids.has(one.queueId)) return true;
  return one.messageId !== null && messageIds.has(one.messageId.replace(/^<|>$/g, ''));
}

type Row = { readonly delivery: string; readonly state: DeliveryState };

function isId(text: string): boolean {
  return isQueueId(text) || (/\.(0|[1-9][0-9]{0,3})$/.test(text) && isQueueId(messageOf(text as never)));
}

function rowOf(line: string): Row | null {
  try {
    const { delivery, state } = JSON.parse(line) as Row;
    return isId(delivery) && typeof state === 'string' ? { delivery, state } : null;
  } catch {
    return null;
  }
}

function rowOfCells(cells: readonly string[], columns: { delivery: number; state: number }): Row | null {
  const delivery = cells[columns.delivery] ?? '';
  return isId(delivery) ? { delivery, state: cells[columns.state] as DeliveryState } : null;
}

/** Cells of a line of CSV (RFC 4180 §2). */
function cellsOf(line: string): string[] {
  return [...line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g)].map(
    ([, quoted, bare]) => quoted?.replaceAll('""', '"') ?? bare ?? '',
  );
}
