// Names of things. A brand keeps an address from being passed where a queue id is wanted; strings stop at the border.

/** Our name for one accepted message, given in the 250: 24 characters of `0-9a-z`, sorts by time of acceptance. */
export type QueueId = string & { readonly brand: 'QueueId' };

/** One recipient of one message: `<queue id>.<index from 0>`. */
export type DeliveryId = string & { readonly brand: 'DeliveryId' };

/** An RFC 5321 Mailbox as it was given (local part as is, domain an A-label in lower case), without angle brackets. */
export type Address = string & { readonly brand: 'Address' };

/** Name of an organization; `-` is the gateway itself. */
export type OrganizationName = string;

/** Who runs a stage: node name and process start, so that a node can clear what its own dead process held. */
export type Owner = string & { readonly brand: 'Owner' };

/** Milliseconds since 1970 UTC. */
export type Time = number;

/** Milliseconds. */
export type Duration = number;

export const GATEWAY: OrganizationName = '-';

export function deliveryId(message: QueueId, index: number): DeliveryId {
  return `${message}.${index}` as DeliveryId;
}

export function messageOf(delivery: DeliveryId): QueueId {
  return delivery.slice(0, delivery.lastIndexOf('.')) as QueueId;
}

export function isQueueId(text: string): text is QueueId {
  return /^[0-9a-z]{24}$/.test(text);
}

/** Domain of an address, after the last `@` (a quoted local part may hold others). */
export function domainOf(address: Address): string {
  return address.slice(address.lastIndexOf('@') + 1);
}

/** The form in which two addresses are compared, tagged and looked up: all lower case. */
export function normalAddress(address: string): string {
  return address.toLowerCase();
}

const ALPHABET = '0123456789abcdefghijklmnopqrstuv';

/** Queue id of a moment: 48 bits of time, 72 random bits (9 bytes), five bits a character. */
export function queueId(at: Time, random: Uint8Array): QueueId {
  let id = '';
  let bits = BigInt(at);
  for (const byte of random.subarray(0, 9)) bits = (bits << 8n) | BigInt(byte);
  for (let i = 0; i < 24; i++) {
    id = ALPHABET[Number(bits & 31n)] + id;
    bits >>= 5n;
  }
  return id as QueueId;
}
