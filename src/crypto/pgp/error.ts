// What can go wrong with keys and messages of OpenPGP, apart from openpgp itself so that anyone may know the type.

/** The code says all: it alone leaves a worker process, and nothing that was read is ever quoted. */
export class PgpError extends Error {
  readonly code:
    | 'not a key'
    | 'passphrase needed'
    | 'passphrase wrong'
    | 'damaged'
    /** A recipient's key cannot be encrypted to at that time. */
    | 'no encryption key'
    /** The signer's key cannot sign at that time. */
    | 'no signing key'
    /** There is no OpenPGP message where one was looked for. */
    | 'not a message'
    /** No key fits, or something was changed: nothing of it is released. */
    | 'does not open';
  constructor(code: PgpError['code']) {
    super(code);
    this.code = code;
  }
}
