/**
 * Which calls may be tried again after a failure of this kind.
 * `any`: the answer was lost or the peer is gone; reads repeat harmlessly and writes carry a
 * request key. `settling`: only commit and abandon, which must end with a certain answer.
 */
export type RetryScope = 'any' | 'settling';

interface FailedTryOptions {
  /** False when not even a connection came about. */
  reached: boolean;
  retry: RetryScope;
  code?: string;
}

/** One try of a call that brought no answer to believe. The message is for operators. */
export class FailedTry extends Error {
  readonly reached: boolean;
  readonly retry: RetryScope;
  readonly code?: string;

  constructor(message: string, options: FailedTryOptions) {
    super(message);
    this.name = 'FailedTry';
    this.reached = options.reached;
    this.retry = options.retry;
    if (options.code !== undefined) this.code = options.code;
  }
}

/** A peer that speaks HTTP but not the internal contract. */
export function foreignAnswer(what: string, retry: RetryScope = 'settling'): FailedTry {
  return new FailedTry(what, { reached: true, retry });
}
