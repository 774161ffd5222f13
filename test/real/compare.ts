// What a relay did to a message, octet by octet: nothing but trace fields in front, or where it first differs.

import type { Sample } from './corpus.ts';

export type Comparison =
  /** `trace`: what stands in front of the unchanged message. */
  | { readonly same: true; readonly trace: string }
  | {
      readonly same: false;
      readonly trace: string;
      readonly line: number;
      readonly sent: string;
      readonly got: string;
    };

/** `received` with CRLF line ends, as `sample.data` has them. */
export function compare(sample: Sample, received: Buffer): Comparison {
  const prefix = received.length - sample.data.length;
  if (prefix >= 0 && received.subarray(prefix).equals(sample.data)) {
    return { same: true, trace: received.toString('latin1', 0, prefix) };
  }
  const text = received.toString('latin1');
  const trace = /^(?:Received: .*\r\n(?:[ \t].*\r\n)*)?/.exec(text)?.[0] ?? '';
  const got = text.slice(trace.length).split('\r\n');
  const sent = sample.data.toString('latin1').split('\r\n');
  const line = Math.max(
    0,
    got.findIndex((one, i) => one !== sent[i]),
  );
  return { same: false, trace, line: line + 1, sent: sent[line] ?? '(nothing)', got: got[line] ?? '(nothing)' };
}

/** True for exactly one Received field with its folding, and nothing else. */
export function isOneReceived(trace: string): boolean {
  return /^Received: [^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*$/.test(trace);
}

/** In a word, what kind of change a difference is; `unknown` is what a relay must explain. */
export function kindOf(difference: Extract<Comparison, { same: false }>): string {
  const { sent, got } = difference;
  if (got === '' && sent !== '') return 'blank line put between header section and body';
  if (sent.startsWith(got) && got.length >= 900) return 'long line folded';
  if (/^(Return-Path|Bcc|Content-Length|Message-ID|Date|From|To):/i.test(got) && !sent.startsWith(got.slice(0, 4))) {
    return 'header field added';
  }
  if (/^(Return-Path|Bcc|Resent-Bcc|Content-Length):/i.test(sent)) return 'header field removed';
  if (/^[A-Za-z-]+:/.test(sent) && got.split(':')[0] === sent.split(':')[0]) return 'header field rewritten';
  if (sent.includes('\0') || sent.includes('\r')) return 'control octet changed';
  if (sent === '(nothing)') return 'something added at the end';
  if (got === '(nothing)') return 'something lost at the end';
  return 'unknown';
}
