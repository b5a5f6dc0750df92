import type { CopyFrom, DataHash, RegisterLocation } from '@glance/common';
import type { Knex } from 'knex';
import type { Dialect } from '../db/dialect';
import { executeSql, selectRow, selectRows, sql, sqlText } from '../db/sql';
import type { TextCipher } from '../db/text-cipher';
import { toNumber, toNumberOrNull } from '../db/values';
import { requireUrl } from '../images/stored-urls';

/** A copy, or a check of data that stays where it is, that was promised and has not ended. */
export interface Copy {
  sourceUrl: string;
  /** Empty for a check. */
  storeId: string;
  /** What the data must hash to; undefined for a copy. */
  check: DataHash | undefined;
  /** No attempt follows the one that runs. Told of checks only. */
  isLastAttempt: boolean;
  /** The size of the image until its data is there. */
  sizeBytes: number | null;
  /** Begun so far; one that was handed back does not count. */
  attempts: number;
  /** The time of the next attempt has come. */
  isDue: boolean;
}

interface BegunAttempt {
  /** From 1. */
  attempt: number;
  isLast: boolean;
  nextAfterSeconds: number;
}

interface CopyRow {
  source_url: string;
  store_id: string;
  check_algorithm: string | null;
  check_value: string | null;
  is_last_attempt: number;
  size_bytes: number | string | null;
  attempts: number;
  is_due: number | string;
}

/** Rows of `registry_copies`. The image's row is locked by whoever changes one. */
export class CopyRepository {
  constructor(
    private readonly connection: Knex,
    private readonly dialect: Dialect,
    private readonly cipher: TextCipher,
  ) {}

  /** What was promised before is forgotten by then. */
  async put(imageId: string, copy: CopyFrom): Promise<void> {
    await this.insert(imageId, copy);
  }

  /** As {@link put}. */
  async putCheck(imageId: string, register: RegisterLocation): Promise<void> {
    const { url: sourceUrl, sizeBytes } = register;
    await this.insert(imageId, { sourceUrl, storeId: '', sizeBytes }, register);
  }

  private async insert(
    imageId: string,
    { sourceUrl, storeId, sizeBytes }: Pick<CopyFrom, 'sourceUrl' | 'storeId' | 'sizeBytes'>,
    { hash: check, task }: Partial<Pick<RegisterLocation, 'hash' | 'task'>> = {},
  ): Promise<void> {
    await executeSql(
      this.connection,
      sql`INSERT INTO registry_copies
          (image_id, source_url, store_id, size_bytes, check_algorithm, check_value,
            task_id, task_hours, is_last_attempt, attempts, next_attempt_at, created_at)
        VALUES (${imageId}, ${this.cipher.seal(sourceUrl)}, ${storeId}, ${sizeBytes},
          ${check?.algorithm ?? null}, ${check?.value ?? null},
          ${task?.taskId ?? null}, ${task?.timeToLiveHours ?? null}, 0, 0,
          ${this.dialect.now}, ${this.dialect.now})`,
    );
  }

  async find(imageId: string): Promise<Copy | undefined> {
    const row = await selectRow<CopyRow>(
      this.connection,
      sql`SELECT source_url, store_id, size_bytes, check_algorithm, check_value,
          is_last_attempt, attempts,
          CASE WHEN next_attempt_at <= ${this.dialect.now} THEN 1 ELSE 0 END AS is_due
        FROM registry_copies WHERE image_id = ${imageId}${this.dialect.forUpdate}`,
    );
    return (
      row && {
        sourceUrl: requireUrl(this.cipher, row.source_url, imageId),
        storeId: row.store_id,
        check: checkOf(row),
        isLastAttempt: row.is_last_attempt !== 0,
        sizeBytes: toNumberOrNull(row.size_bytes),
        attempts: row.attempts,
        isDue: toNumber(row.is_due) === 1,
      }
    );
  }

  /** The task that shows how it goes, null without one; undefined where nothing is promised. */
  async taskOf(
    imageId: string,
  ): Promise<{ taskId: string; timeToLiveHours: number } | null | undefined> {
    const row = await selectRow<{ task_id: string | null; task_hours: number | null }>(
      this.connection,
      sql`SELECT task_id, task_hours FROM registry_copies WHERE image_id = ${imageId}`,
    );
    if (!row) return undefined;
    const { task_id: taskId, task_hours: hours } = row;
    return taskId === null || hours === null ? null : { taskId, timeToLiveHours: hours };
  }

  /** Images whose copy nobody carries out and whose time has come, the longest due first. */
  async findDue(limit: number, { withChecks }: { withChecks: boolean }): Promise<string[]> {
    const wanted = sqlText(withChecks ? '1 = 1' : 'check_value IS NULL');
    const rows = await selectRows<{ image_id: string }>(
      this.connection,
      sql`SELECT registry_copies.image_id FROM registry_copies
        JOIN images ON images.id = registry_copies.image_id AND images.status = 'queued'
          AND images.deleted = 0
        WHERE next_attempt_at <= ${this.dialect.now} AND ${wanted}
        ORDER BY next_attempt_at LIMIT ${sqlText(String(limit))}`,
    );
    return rows.map((row) => row.image_id);
  }

  async beginAttempt(
    imageId: string,
    { attempt, isLast, nextAfterSeconds }: BegunAttempt,
  ): Promise<void> {
    await executeSql(
      this.connection,
      sql`UPDATE registry_copies SET attempts = ${attempt}, is_last_attempt = ${Number(isLast)},
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

function checkOf({ check_algorithm: algorithm, check_value: value }: CopyRow): Copy['check'] {
  return algorithm === null || value === null ? undefined : { algorithm, value };
}
