import type { CopyFrom } from '@glance/common';
import type { Knex } from 'knex';
import type { Dialect } from '../db/dialect';
import { executeSql, selectRow, selectRows, sql, sqlText } from '../db/sql';
import { toNumber, toNumberOrNull } from '../db/values';

/** A copy that was promised and has not ended. */
export interface Copy {
  sourceUrl: string;
  storeId: string;
  /** The size of the image until its data is there. */
  sizeBytes: number | null;
  /** Begun so far; one that was handed back does not count. */
  attempts: number;
  /** The time of the next attempt has come. */
  isDue: boolean;
}

interface CopyRow {
  source_url: string;
  store_id: string;
  size_bytes: number | string | null;
  attempts: number;
  is_due: number | string;
}

/** Rows of `registry_copies`. The image's row is locked by whoever changes one. */
export class CopyRepository {
  constructor(
    private readonly connection: Knex,
    private readonly dialect: Dialect,
  ) {}

  /** Takes the place of what was promised before. */
  async put(imageId: string, copy: CopyFrom): Promise<void> {
    await this.forget(imageId);
    await executeSql(
      this.connection,
      sql`INSERT INTO registry_copies
          (image_id, source_url, store_id, size_bytes, attempts, next_attempt_at, created_at)
        VALUES (${imageId}, ${copy.sourceUrl}, ${copy.storeId}, ${copy.sizeBytes}, 0,
          ${this.dialect.now}, ${this.dialect.now})`,
    );
  }

  async find(imageId: string): Promise<Copy | undefined> {
    const row = await selectRow<CopyRow>(
      this.connection,
      sql`SELECT source_url, store_id, size_bytes, attempts,
          CASE WHEN next_attempt_at <= ${this.dialect.now} THEN 1 ELSE 0 END AS is_due
        FROM registry_copies WHERE image_id = ${imageId}${this.dialect.forUpdate}`,
    );
    return (
      row && {
        sourceUrl: row.source_url,
        storeId: row.store_id,
        sizeBytes: toNumberOrNull(row.size_bytes),
        attempts: row.attempts,
        isDue: toNumber(row.is_due) === 1,
      }
    );
  }

  /** Images whose copy nobody carries out and whose time has come, the longest due first. */
  async findDue(limit: number): Promise<string[]> {
    const rows = await selectRows<{ image_id: string }>(
      this.connection,
      sql`SELECT registry_copies.image_id FROM registry_copies
        JOIN images ON images.id = registry_copies.image_id AND images.status = 'queued'
          AND images.deleted = 0
        WHERE next_attempt_at <= ${this.dialect.now}
        ORDER BY next_attempt_at LIMIT ${sqlText(String(limit))}`,
    );
    return rows.map((row) => row.image_id);
  }

  async beginAttempt(imageId: string, attempt: number, nextAfterSeconds: number): Promise<void> {
    await executeSql(
      this.connection,
      sql`UPDATE registry_copies SET attempts = ${attempt},
          next_attempt_at = ${this.dialect.secondsFromNow(nextAfterSeconds)}
        WHERE image_id = ${imageId}`,
    );
  }

  /** As if the running attempt had not begun. */
  async handBack(imageId: string): Promise<void> {
    await executeSql(
      this.connection,
      sql`UPDATE registry_copies SET next_attempt_at = ${this.dialect.now},
          attempts = CASE WHEN attempts > 0 THEN attempts - 1 ELSE 0 END
        WHERE image_id = ${imageId}`,
    );
  }

  async forget(imageId: string): Promise<void> {
    await executeSql(this.connection, sql`DELETE FROM registry_copies WHERE image_id = ${imageId}`);
  }
}
