import type { Logger } from '@glance/service-kit';
import { isLastChunk, pruneRows } from '../db/prune';
import { sql } from '../db/sql';
import type { TransactionRunner } from '../db/transaction';
import type { Repositories } from '../repositories';

export const DEFAULT_RETENTION_SECONDS = 7 * 86_400;

/** Gives up announcements that could not be delivered for so long: the outbox does not grow without end. */
export async function expireOutbox(
  transactions: TransactionRunner<Repositories>,
  logger: Logger,
  retentionSeconds: number,
): Promise<void> {
  const lost = await transactions.read({}, ({ outbox }) => outbox.countOlderThan(retentionSeconds));
  for (const { sink, messages } of lost) {
    logger.error(
      `EVENTS ARE LOST: ${messages} announcements for ${sink} could not be delivered within [outbox] retention and are dropped. Why not is in earlier warnings of whichever glance-registry sends`,
      { sink, messages },
    );
  }
  for (let pruned = Infinity; !isLastChunk(pruned);) {
    pruned = await transactions.write({}, ({ connection, dialect }) =>
      pruneRows(
        connection,
        'registry_outbox',
        'id',
        sql`delivered_at IS NULL AND created_at < ${dialect.secondsFromNow(-retentionSeconds)}`,
      ),
    );
  }
}
