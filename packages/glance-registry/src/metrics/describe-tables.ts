import { describeError } from '@glance/common';
import { CachedReading, type Logger, type Metrics, type Sample } from '@glance/service-kit';
import type { TransactionRunner } from '../db/transaction';
import type { Repositories } from '../repositories';
import { readTables, type Queue, type TableState } from './table-readings';

const MAX_AGE_MS = 5000;
const PATIENCE_MS = 5000;

/** What waits and runs, as the database has it: the same whatever registry is asked. */
export function describeTables(
  { service: series, prefix }: Metrics,
  transactions: TransactionRunner<Repositories>,
  logger: Logger,
): void {
  const state = new CachedReading({
    read: () => transactions.read({}, ({ connection, dialect }) => readTables(connection, dialect)),
    maxAgeMs: MAX_AGE_MS,
    patienceMs: PATIENCE_MS,
    onFailure: (error) => {
      logger.warn(`The queues cannot be read: ${describeError(error)}`);
    },
  });
  /** Nothing while the database does not answer. */
  const from = (samples: (found: TableState) => Sample[]) => async (): Promise<Sample[]> => {
    const found = await state.get();
    return found ? samples(found) : [];
  };
  const ofQueues = (value: (queue: Queue) => number) =>
    from(({ queues }) =>
      queues.map((queue) => ({ labels: { queue: queue.name }, value: value(queue) })),
    );
  series.gauge({
    name: `${prefix}_queue_length`,
    help: 'Entries that wait for deletion, removal of a location, copy, import or announcement (outbox); counted up to 10000',
    labels: ['queue'],
    read: ofQueues(({ length }) => length),
  });
  series.gauge({
    name: `${prefix}_queue_oldest_seconds`,
    help: 'Age of the entry that has waited longest; 0 where none waits',
    labels: ['queue'],
    read: ofQueues(({ oldestSeconds }) => oldestSeconds),
  });
  series.gauge({
    name: `${prefix}_leases`,
    help: 'Uploads, copies and imports that have begun, by kind and state (overdue: over, and not ended by a sweep yet); counted up to 10000',
    labels: ['kind', 'state'],
    read: from(({ leases }) =>
      leases.map(({ kind, state: leaseState, leases: value }) => ({
        labels: { kind, state: leaseState },
        value,
      })),
    ),
  });
  series.gauge({
    name: `${prefix}_stored_bytes`,
    help: 'Bytes that the images of all projects take in the stores, as quotas count them',
    read: from(({ storedBytes }) => [{ value: storedBytes }]),
  });
  series.gauge({
    name: `${prefix}_reserved_bytes`,
    help: 'Bytes that are promised to uploads that run',
    read: from(({ reservedBytes }) => [{ value: reservedBytes }]),
  });
}
