import { DomainError } from '@glance/common';
import { silentLogger, type Logger } from '@glance/service-kit';
import type { Knex } from 'knex';
import type { Database } from './create-database';
import { POISONED } from './database-failure';
import type { Dialect } from './dialect';
import { findAnswer, storeAnswer, type RequestKey, type StoredAnswer } from './request-keys';
import { NO_CIPHER, type TextCipher } from './text-cipher';
import { withRetries, type Deadline } from './retry';

/** Who makes a change, as the timeline of an image tells it. */
export interface Actor {
  userId: string | null;
  projectId: string | null;
  requestId: string | null;
}

/** Its sweepers, for nobody. */
export const THE_SERVICE: Actor = { userId: null, projectId: null, requestId: null };

/** What a call to the registry brings along besides its arguments. */
export interface CallScope {
  /** Absent: the service itself. */
  actor?: Actor | undefined;
  deadline?: Deadline | undefined;
  requestKey?: RequestKey | undefined;
}

/**
 * Runs work on the database, again when the database asks for it (reliability sheet §7).
 * @typeParam R what the work is given, made for its connection or transaction.
 */
export class TransactionRunner<R> {
  constructor(
    private readonly database: Database,
    private readonly provide: (connection: Knex, dialect: Dialect, actor?: Actor) => R,
    private readonly logger: Logger = silentLogger,
    private readonly cipher: TextCipher = NO_CIPHER,
  ) {}

  /** Reads outside of a transaction. The work may run several times. */
  async read<T>(scope: CallScope, work: (repositories: R) => Promise<T>): Promise<T> {
    return await this.retrying(scope, () =>
      work(this.provide(this.database.knex, this.database.dialect)),
    );
  }

  /**
   * Runs the work in one transaction. The work may run several times, so it does nothing but SQL.
   *
   * With a request key the answer, which must be JSON, is stored in the same transaction; whoever
   * comes with the key again gets it without the work being run. A connection lost during COMMIT
   * leaves open whether it happened: the key decides, and without one the call fails as
   * `database_unavailable`. Errors are not stored.
   */
  async write<T>(scope: CallScope, work: (repositories: R) => Promise<T>): Promise<T> {
    return await this.retrying(scope, () => this.attempt(scope, work));
  }

  private async attempt<T>(
    { requestKey, deadline, actor }: CallScope,
    work: (repositories: R) => Promise<T>,
  ): Promise<T> {
    const { dialect } = this.database;
    const transaction = await this.begin();
    let answer: T;
    let storing = false;
    try {
      const known =
        requestKey && (await findAnswer(transaction, dialect, this.cipher, requestKey, false));
      if (known) {
        await rollBack(transaction);
        return known.answer as T;
      }
      answer = await work(this.provide(transaction, dialect, actor));
      storing = true;
      if (requestKey) await storeAnswer(transaction, dialect, this.cipher, requestKey, answer);
      deadline?.check();
    } catch (error) {
      if (POISONED.has(dialect.classify(error))) await discard(transaction);
      await rollBack(transaction);
      return await this.afterFailure(requestKey, error, storing);
    }
    const { statements } = this.database;
    const commitError = await (statements
      ? statements.commit(() => commit(transaction), Boolean)
      : commit(transaction));
    if (commitError === undefined) return answer;
    if (dialect.classify(commitError) !== 'connection_lost') throw commitError;
    return (await this.outcomeOf(requestKey, commitError)).answer as T;
  }

  private async begin(): Promise<Knex.Transaction> {
    const transaction = await this.database.knex.transaction();
    // knex hands out the transaction of a BEGIN that failed: its promise knows why.
    if (transaction.isCompleted()) await transaction.executionPromise;
    const connection = await connectionOf(transaction);
    // A COMMIT or ROLLBACK that failed: whatever state the connection is in, nobody gets it again.
    transaction.executionPromise.catch(() => {
      connection.__knex__disposed = true;
    });
    return transaction;
  }

  /** An error may mean that the same call, still running elsewhere, has meanwhile succeeded. */
  private async afterFailure<T>(
    requestKey: RequestKey | undefined,
    error: unknown,
    storing: boolean,
  ): Promise<T> {
    const { knex, dialect } = this.database;
    const raced = storing && dialect.classify(error) === 'duplicate';
    if (requestKey && (raced || error instanceof DomainError)) {
      const known = await findAnswer(knex, dialect, this.cipher, requestKey, false);
      if (known) return known.answer as T;
    }
    throw error;
  }

  private async outcomeOf(requestKey: RequestKey | undefined, cause: Error): Promise<StoredAnswer> {
    const { knex, dialect } = this.database;
    if (requestKey === undefined) {
      throw new DomainError(
        'database_unavailable',
        'The connection to the database broke; whether the change was made is not known',
        { cause },
      );
    }
    const found = await withRetries(
      { dialect, logger: this.logger, deadline: undefined },
      // The locking read waits until the server has decided about the broken connection's work.
      () => knex.transaction((look) => findAnswer(look, dialect, this.cipher, requestKey, true)),
    );
    if (found) return found;
    // Not made: the caller of this attempt runs it again.
    throw cause;
  }

  private async retrying<T>(scope: CallScope, work: () => Promise<T>): Promise<T> {
    const { dialect } = this.database;
    return await withRetries({ dialect, logger: this.logger, deadline: scope.deadline }, work);
  }
}

/** knex reports a failed COMMIT through the transaction's own promise only. */
async function commit(transaction: Knex.Transaction): Promise<Error | undefined> {
  try {
    await transaction.commit();
    await transaction.executionPromise;
    return undefined;
  } catch (error) {
    return error as Error;
  }
}

async function rollBack(transaction: Knex.Transaction): Promise<void> {
  if (!transaction.isCompleted()) await transaction.rollback();
}

async function discard(transaction: Knex.Transaction): Promise<void> {
  (await connectionOf(transaction)).__knex__disposed = true;
}

/** The raw connection; knex passes over one so marked when it hands out the next. */
async function connectionOf(transaction: Knex.Transaction): Promise<{ __knex__disposed?: true }> {
  const client = transaction.client as Knex.Client;
  return (await client.acquireConnection()) as { __knex__disposed?: true };
}
