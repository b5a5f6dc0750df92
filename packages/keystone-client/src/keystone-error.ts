/**
 * - `unavailable`: no answer that means anything; another try later may get one.
 * - `credentials_refused`: Keystone does not accept the service's own user.
 * - `forbidden`: that user may not ask for this.
 * - `not_found`: what was asked for is not there.
 * - `unexpected`: an answer that is none of the API's, as of another program at that URL.
 */
export type KeystoneErrorKind =
  'unavailable' | 'credentials_refused' | 'forbidden' | 'not_found' | 'unexpected';

/** The message is for operators: what was asked of which server, and what came of it. No secrets. */
export class KeystoneError extends Error {
  constructor(
    readonly kind: KeystoneErrorKind,
    message: string,
  ) {
    super(message);
    this.name = 'KeystoneError';
  }
}
