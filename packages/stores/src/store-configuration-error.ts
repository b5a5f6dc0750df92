/**
 * Stores that cannot be set up as configured. The message is for the operator's start log: it names
 * options and paths, so no client ever sees it.
 */
export class StoreConfigurationError extends Error {
  readonly problems: readonly string[];

  constructor(problems: readonly string[], options: { cause?: unknown } = {}) {
    super(problems.join('\n'), options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'StoreConfigurationError';
    this.problems = problems;
  }
}
