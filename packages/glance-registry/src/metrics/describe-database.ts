import type { Metrics } from '@glance/service-kit';
import type { Database } from '../db/create-database';
import { StatementTimer } from '../db/statement-timer';

const BUCKETS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 20];

/** The part of knex's pool that is counted; knex's types do not have it. */
interface Pool {
  max: number;
  numUsed(): number;
  numFree(): number;
  numPendingAcquires(): number;
}

/** Statements and connections of this process. */
export function describeDatabase({ process: series, prefix }: Metrics, database: Database): void {
  const durations = series.durations({
    name: `${prefix}_sql_duration_seconds`,
    help: 'Time of SQL statements, by kind; without the wait for a connection',
    labels: ['statement'],
    buckets: BUCKETS,
  });
  const failures = series.events({
    name: `${prefix}_sql_failures_total`,
    help: 'SQL statements that failed, also those that were repeated for it, such as after a deadlock',
    labels: ['statement'],
  });
  database.statements = new StatementTimer(database.knex, ({ kind, seconds, failed }) => {
    durations.observe({ statement: kind }, seconds);
    if (failed) failures.inc({ statement: kind });
  });
  const pool = (database.knex.client as { pool: Pool }).pool;
  series.gauge({
    name: `${prefix}_database_connections`,
    help: 'Connections to the database, by state',
    labels: ['state'],
    read: () => [
      { labels: { state: 'used' }, value: pool.numUsed() },
      { labels: { state: 'free' }, value: pool.numFree() },
    ],
  });
  series.gauge({
    name: `${prefix}_database_connections_max`,
    help: 'Connections that may be open at a time: [database] max_pool_size and max_overflow, of all processes',
    read: () => [{ value: pool.max }],
  });
  series.gauge({
    name: `${prefix}_database_connections_awaited`,
    help: 'Pieces of work that wait for a connection',
    read: () => [{ value: pool.numPendingAcquires() }],
  });
}
