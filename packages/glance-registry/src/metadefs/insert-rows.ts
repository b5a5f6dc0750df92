import type { Dialect } from '../db/dialect';
import type { Sql } from '../db/sql';

const ROWS_PER_STATEMENT = 500;
/** Well below max_allowed_packet of any server. */
const BYTES_PER_STATEMENT = 512 * 1024;

export interface NewRow {
  name: string;
  /** `(…)` of VALUES. */
  values: Sql;
}

/**
 * Inserts rows, many with one statement.
 * @param insert one statement
 * @param exists the error of a row whose name is taken. The database does not say which that is, so
 * a statement that fails is halved until it has one row: a failed statement has changed nothing.
 */
export async function insertRows(
  dialect: Dialect,
  rows: readonly NewRow[],
  insert: (values: readonly Sql[]) => Promise<unknown>,
  exists: (name: string) => Error,
): Promise<void> {
  for (const batch of batchesOf(rows)) await insertBatch(dialect, batch, insert, exists);
}

async function insertBatch(
  dialect: Dialect,
  rows: readonly NewRow[],
  insert: (values: readonly Sql[]) => Promise<unknown>,
  exists: (name: string) => Error,
): Promise<void> {
  try {
    await insert(rows.map(({ values }) => values));
  } catch (error) {
    const [first] = rows;
    if (first === undefined || dialect.classify(error) !== 'duplicate') throw error;
    if (rows.length === 1) throw exists(first.name);
    const half = rows.length >> 1;
    await insertBatch(dialect, rows.slice(0, half), insert, exists);
    await insertBatch(dialect, rows.slice(half), insert, exists);
  }
}

function* batchesOf(rows: readonly NewRow[]): Iterable<readonly NewRow[]> {
  let batch: NewRow[] = [];
  let bytes = 0;
  for (const row of rows) {
    const size = row.values.values.reduce<number>((sum, each) => sum + sizeOf(each), 0);
    if (batch.length === ROWS_PER_STATEMENT || bytes + size > BYTES_PER_STATEMENT) {
      if (batch.length > 0) yield batch;
      batch = [];
      bytes = 0;
    }
    batch.push(row);
    bytes += size;
  }
  if (batch.length > 0) yield batch;
}

function sizeOf(value: unknown): number {
  return typeof value === 'string' ? Buffer.byteLength(value) : 8;
}
