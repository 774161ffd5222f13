// What can be wrong with a certificate file or an S/MIME message. The text is the code: an error never quotes what was read.

export type SmimeCode =
  | 'not a certificate'
  | 'passphrase needed'
  | 'passphrase wrong'
  /** Not what its kind demands, or changed on its way. */
  | 'damaged'
  /** A private key stands beside certificates and belongs to none of them. */
  | 'key of another certificate'
  /** A certificate that nothing can be encrypted to, or not signed with, here. */
  | 'unfit'
  /** Encrypted to none of the keys at hand. */
  | 'no key'
  /** Well-formed, by a way that is not known here. */
  | 'unsupported';

export class SmimeError extends Error {
  readonly code: SmimeCode;

  constructor(code: SmimeCode) {
    super(code);
    this.code = code;
  }
}
