// Grammar of host names and IP addresses as they may reach a socket, a DNS question or a certificate check. dns-packet
// decodes a label that holds a dot, a space or a NUL into an ordinary-looking name, so every name from outside passes here.
// Logs nothing.

import { isIP } from 'node:net';

const LABEL = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/;

/** True for a name of letters, digits, hyphens and underscores (A-labels) that fits into DNS; no final dot, any case. */
export function isHostName(name: string): boolean {
  return (
    name.length > 0 &&
    name.length <= 253 &&
    name
      .toLowerCase()
      .split('.')
      .every((label) => LABEL.test(label))
  );
}

/** True for what mail may be addressed to: at least two labels, the last not a number (that would be an address). */
export function isMailDomain(name: string): boolean {
  const labels = name.split('.');
  return labels.length >= 2 && isHostName(name) && !/^[0-9]+$/.test(labels.at(-1) ?? '') && isIP(name) === 0;
}

/** Lower case, without the final dot. */
export function normalName(name: string): string {
  return (name.endsWith('.') ? name.slice(0, -1) : name).toLowerCase();
}

/** `1.2.3.4`, `1.2.3.4:53`, `::1`, `[::1]:53` → address and port; null when the host is not an IP address. */
export function parseServer(text: string, defaultPort: number): { address: string; port: number } | null {
  const bracketed = /^\[([^\]]+)\](?::([0-9]{1,5}))?$/.exec(text);
  const plain = isIP(text) === 6 ? [text, text] : /^([^:]+)(?::([0-9]{1,5}))?$/.exec(text);
  const found = bracketed ?? plain;
  const address = found?.[1];
  if (address === undefined || isIP(address) === 0) return null;
  const port = found?.[2] === undefined ? defaultPort : Number(found[2]);
  return port > 0 && port < 65536 ? { address, port } : null;
}
