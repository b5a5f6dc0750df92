import type { Knex } from 'knex';
import type { Dialect } from '../db/dialect';
import { executeSql, isOneOf, joinSql, selectRow, selectRows, sql, sqlText } from '../db/sql';
import { toNumber, toWireTime } from '../db/values';

/** A blob that was seen without an image. */
export interface RememberedBlob {
  name: string;
  /** Wire time. */
  firstSeenAt: string;
  /** That is as long ago as was asked for. */
  isConfirmed: boolean;
}

/** Rows of `registry_orphans`. */
export class OrphanRepository {
  constructor(
    private readonly connection: Knex,
    private readonly dialect: Dialect,
  ) {}

  async find(
    storeId: string,
    names: readonly string[],
    confirmAfterSeconds: number,
  ): Promise<RememberedBlob[]> {
    const confirmed = this.dialect.secondsFromNow(-confirmAfterSeconds);
    const rows = await selectRows<{
      name: string;
      first_seen_at: string;
      is_confirmed: number | string;
    }>(
      this.connection,
      sql`SELECT name, first_seen_at,
          CASE WHEN first_seen_at <= ${confirmed} THEN 1 ELSE 0 END AS is_confirmed
        FROM registry_orphans
        WHERE store_id = ${storeId} AND ${isOneOf(sqlText('name'), names)}`,
    );
    return rows.map((row) => ({
      name: row.name,
      firstSeenAt: toWireTime(row.first_seen_at),
      isConfirmed: toNumber(row.is_confirmed) === 1,
    }));
  }

  /** Seen now; for the first time, unless they are remembered. */
  async remember(
    storeId: string,
    blobs: readonly { name: string; imageId: string }[],
  ): Promise<void> {
    if (blobs.length === 0) return;
    const { now } = this.dialect;
    const rows = blobs.map(
      ({ name, imageId }) => sql`(${storeId}, ${name}, ${imageId}, ${now}, ${now})`,
    );
    await executeSql(
      this.connection,
      sql`INSERT INTO registry_orphans
          (store_id, name, image_id, first_seen_at, last_seen_at)
        VALUES ${joinSql(rows, ', ')}${this.dialect.onDuplicate(
          'store_id, name',
          (inserted) => sql`last_seen_at = ${inserted('last_seen_at')}`,
        )}`,
    );
  }

  async forget(storeId: string, names: readonly string[]): Promise<void> {
    if (names.length === 0) return;
    await executeSql(
      this.connection,
      sql`DELETE FROM registry_orphans
        WHERE store_id = ${storeId} AND ${isOneOf(sqlText('name'), names)}`,
    );
  }

  async existFor(imageId: string): Promise<boolean> {
    const row = await selectRow(
      this.connection,
      sql`SELECT 1 AS found FROM registry_orphans WHERE image_id = ${imageId} LIMIT 1`,
    );
    return row !== undefined;
  }
}
