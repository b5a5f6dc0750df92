import { RepeatedTask, type Logger } from '@glance/service-kit';
import { isLastChunk, pruneRows } from './db/prune';
import { sql, sqlText } from './db/sql';
import type { TransactionRunner } from './db/transaction';
import type { Repositories } from './repositories';
import { DEFAULT_RETENTION_SECONDS, expireOutbox } from './events/expire-outbox';
import { failStrandedImports } from './imports/stranded-imports';
import { expireLeases } from './uploads/lease-sweeper';

const HOUR_SECONDS = 3600;
const DAY_SECONDS = 86_400;

/** What nobody asks for any more, by the column that tells its age. */
const FORGOTTEN = [
  { table: 'registry_request_keys', key: 'request_key', age: 'created_at', seconds: DAY_SECONDS },
  { table: 'registry_leases', key: 'upload_id', age: 'finished_at', seconds: 7 * DAY_SECONDS },
  { table: 'registry_orphans', key: 'id', age: 'last_seen_at', seconds: 7 * DAY_SECONDS },
  { table: 'registry_outbox', key: 'id', age: 'delivered_at', seconds: HOUR_SECONDS },
] as const;

/**
 * Repairs what died uploads left behind and forgets what nobody asks for any more, at intervals
 * (reliability sheet §9). Each registry process runs one; they do not get in each other's way.
 */
export class Sweeper {
  readonly task: RepeatedTask;
  /** Uploads that were rolled back since their time was over, by this process since it began. */
  expiredLeases = 0;

  constructor(
    private readonly transactions: TransactionRunner<Repositories>,
    private readonly logger: Logger,
    private readonly intervalMs: number,
    private readonly outboxRetentionSeconds = DEFAULT_RETENTION_SECONDS,
  ) {
    this.task = new RepeatedTask({
      id: 'leases',
      name: 'A sweep',
      intervalMs,
      logger,
      work: () => this.sweep(),
    });
  }

  start(): void {
    // Processes started together do not sweep together.
    this.task.start(this.intervalMs * Math.random());
  }

  /** Waits for a sweep that is running. */
  async close(): Promise<void> {
    await this.task.close();
  }

  async sweep(): Promise<void> {
    this.expiredLeases += await expireLeases(this.transactions, this.logger);
    await failStrandedImports(this.transactions, this.logger);
    await this.transactions.write({}, ({ tasks }) => tasks.markExpired());
    await expireOutbox(this.transactions, this.logger, this.outboxRetentionSeconds);
    for (const { table, key, age, seconds } of FORGOTTEN) {
      for (let pruned = Infinity; !this.task.isClosed && !isLastChunk(pruned);) {
        pruned = await this.transactions.write({}, ({ connection, dialect }) =>
          pruneRows(
            connection,
            table,
            key,
            sql`${sqlText(age)} < ${dialect.secondsFromNow(-seconds)}`,
          ),
        );
      }
    }
  }
}
