import type { Knex } from 'knex';
import type { Dialect } from '../db/dialect';
import { selectRow, selectRows, sql, sqlText, type Sql } from '../db/sql';
import { toNumber, toWireTime } from '../db/values';

/** No table is read further than that: beyond it the exact number does not matter. */
const MOST_COUNTED = 10_000;

/** Work that waits in a table. */
export interface Queue {
  name: string;
  /** At most {@link MOST_COUNTED}. */
  length: number;
  /** Of the entry that has waited longest; 0 for an empty queue. */
  oldestSeconds: number;
}

export interface LeaseCount {
  kind: string;
  /** `overdue`: its time is over, and no sweep has ended it yet. */
  state: 'live' | 'staged' | 'void' | 'overdue';
  leases: number;
}

export interface TableState {
  queues: Queue[];
  leases: LeaseCount[];
  /** Of all projects. */
  storedBytes: number;
  reservedBytes: number;
}

interface QueueRow {
  length: number | string;
  oldest: string | null;
  now: string;
}

/** Where entries are, each with the time that it was made; the index that tells is in the tables. */
const QUEUES: readonly { name: string; entries: Sql }[] = [
  {
    name: 'deletions',
    entries: sql`SELECT created_at FROM registry_deletions WHERE is_delayed = 0`,
  },
  {
    name: 'delayed_deletions',
    entries: sql`SELECT created_at FROM registry_deletions WHERE is_delayed = 1`,
  },
  { name: 'removals', entries: sql`SELECT created_at FROM registry_removals WHERE is_delayed = 0` },
  { name: 'copies', entries: sql`SELECT created_at FROM registry_copies` },
  { name: 'imports', entries: sql`SELECT created_at FROM registry_imports` },
  { name: 'staged', entries: sql`SELECT created_at FROM registry_staged` },
  // Rows of an older release have no sink, and nobody sends them.
  {
    name: 'outbox',
    entries: sql`SELECT created_at FROM registry_outbox
      WHERE delivered_at IS NULL AND sink IS NOT NULL ORDER BY id`,
  },
];

/** What waits, runs and is stored, by statements that take milliseconds whatever the tables hold. */
export async function readTables(connection: Knex, dialect: Dialect): Promise<TableState> {
  const queues: Queue[] = [];
  // One after the other: a scrape has one connection.
  for (const queue of QUEUES) queues.push(await readQueue(connection, dialect, queue));
  const leases = await readLeases(connection, dialect);
  const usage = await selectRow<Record<'stored_bytes' | 'reserved_bytes', number | string | null>>(
    connection,
    sql`SELECT SUM(used_bytes) AS stored_bytes, SUM(reserved_bytes) AS reserved_bytes
      FROM registry_quota_usage`,
  );
  return {
    queues,
    leases,
    storedBytes: toNumber(usage?.stored_bytes ?? 0),
    reservedBytes: toNumber(usage?.reserved_bytes ?? 0),
  };
}

async function readQueue(
  connection: Knex,
  dialect: Dialect,
  { name, entries }: (typeof QUEUES)[number],
): Promise<Queue> {
  const row = await selectRow<QueueRow>(
    connection,
    sql`SELECT COUNT(*) AS length, MIN(created_at) AS oldest, ${dialect.now} AS now
      FROM (${entries} LIMIT ${sqlText(String(MOST_COUNTED))}) entries`,
  );
  const oldestSeconds =
    row?.oldest == null ? 0 : Math.max(0, toSeconds(row.now) - toSeconds(row.oldest));
  return { name, length: toNumber(row?.length ?? 0), oldestSeconds };
}

async function readLeases(connection: Knex, dialect: Dialect): Promise<LeaseCount[]> {
  const rows = await selectRows<Omit<LeaseCount, 'leases'> & { leases: number | string }>(
    connection,
    sql`SELECT kind, state, COUNT(*) AS leases FROM (
        SELECT kind, CASE WHEN state <> 'staged' AND expires_at <= ${dialect.now} THEN 'overdue'
          ELSE state END AS state
        FROM registry_leases WHERE finished_at IS NULL
        LIMIT ${sqlText(String(MOST_COUNTED))}) unfinished
      GROUP BY kind, state`,
  );
  return rows.map(({ kind, state, leases }) => ({ kind, state, leases: toNumber(leases) }));
}

/** Of a time of the database, which is UTC. */
export function toSeconds(time: string): number {
  return Date.parse(`${toWireTime(time)}Z`) / 1000;
}
