// How a sender is shown to people: the name that header From gives beside the address that was proven. A name that could
// be taken for another address is not shown.

import addressparser from 'nodemailer/lib/addressparser/index.js';
import type { Address } from '../domain/ids.ts';
import { decodeWords } from './header.ts';

const NAME_MAX = 100;
/** No name that a person reads stands behind more. */
const VALUE_MAX = 2_000;

/** `Dr. Lee <lee@clinic.example>`; the address alone where there is no name to trust. `value`: of header From. */
export function shownSender(value: string, address: Address): string {
  const [first] = addressparser(value.slice(0, VALUE_MAX));
  const name = oneLine(decodeWords(first?.name ?? ''), NAME_MAX);
  return name === '' || /[@＠﹫]/.test(name) ? address : `${name.replace(/[<>"]/g, '')} <${address}>`;
}

/** Without controls, invisible marks and line ends; at most `most` characters. */
export function oneLine(text: string, most: number): string {
  const line = text.toWellFormed().replace(/[\p{C}\p{Z}]+/gu, ' ');
  return [...line.trim()].slice(0, most).join('');
}

/** `p•••@oldmail.demo`: enough for its owner to know which mailbox is meant. */
export function maskedAddress(address: Address): string {
  const at = address.lastIndexOf('@');
  const [first, second] = address.slice(0, at).replace(/^"/, '');
  return `${second === undefined ? '' : (first ?? '')}•••${address.slice(at)}`;
}
