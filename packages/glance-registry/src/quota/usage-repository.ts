import { DomainError } from '@glance/common';
import type { Knex } from 'knex';
import type { Dialect } from '../db/dialect';
import { executeSql, selectRow, selectRows, sql, sqlText, type Sql } from '../db/sql';
import { toNumber } from '../db/values';

export interface Usage {
  usedBytes: number;
  reservedBytes: number;
}

/**
 * Rows of `registry_quota_usage`, one per owner: the last lock a transaction takes. An image
 * without owner counts for nobody.
 */
export class UsageRepository {
  constructor(
    private readonly connection: Knex,
    private readonly dialect: Dialect,
  ) {}

  /**
   * The usage of an owner, locked. The row is made of what the tables hold when it is first asked
   * for; to be called before the transaction changes any of that.
   */
  async lock(owner: string): Promise<Usage> {
    const found = await this.selectLocked(owner);
    if (found) return found;
    const usedBytes = await this.sumStored(owner);
    const { now } = this.dialect;
    // Whoever was first wins, and is waited for here.
    await this.connection('registry_quota_usage')
      .insert({
        owner,
        used_bytes: usedBytes,
        reserved_bytes: 0,
        created_at: this.connection.raw(now.text),
        updated_at: this.connection.raw(now.text),
      })
      .onConflict('owner')
      .ignore();
    const made = await this.selectLocked(owner);
    if (!made) throw new Error('the quota usage row of an owner vanished');
    return made;
  }

  /** Adds to both counters, which never fall below zero. */
  async add(owner: string, change: Usage): Promise<void> {
    const atLeastZero = (column: string, bytes: number) => sql`CASE
      WHEN ${sqlText(column)} + ${bytes} < 0 THEN 0 ELSE ${sqlText(column)} + ${bytes} END`;
    await executeSql(
      this.connection,
      sql`UPDATE registry_quota_usage SET
          used_bytes = ${atLeastZero('used_bytes', change.usedBytes)},
          reserved_bytes = ${atLeastZero('reserved_bytes', change.reservedBytes)},
          updated_at = ${this.dialect.now}
        WHERE owner = ${owner}`,
    );
  }

  /**
   * Σ size × locations whose data is not gone (schema sheet §5.5). Images waiting for the removal
   * of their data count until it is gone.
   */
  async sumStored(owner: string): Promise<number> {
    const row = await selectRow<{ bytes: number | string | null }>(
      this.connection,
      sql`SELECT SUM(images.size) AS bytes FROM images
        JOIN image_locations ON image_locations.image_id = images.id
          AND image_locations.status <> 'deleted'
        WHERE ${this.dialect.exactly(sqlText('images.owner'), owner)} AND images.size > 0
          AND images.status NOT IN ('killed', 'deleted')`,
    );
    return toNumber(row?.bytes ?? 0);
  }

  /** What the account of an owner would have to say. Exact while the account is locked. */
  async measure(owner: string): Promise<Usage> {
    const reserved = await selectRow<{ bytes: number | string | null }>(
      this.connection,
      sql`SELECT SUM(reserved_bytes) AS bytes FROM registry_leases
        WHERE finished_at IS NULL AND owner = ${owner}`,
    );
    return {
      usedBytes: await this.sumStored(owner),
      reservedBytes: toNumber(reserved?.bytes ?? 0),
    };
  }

  /** Owners that have an account, in order. @param after the last one of the page before. */
  async listOwners(after: string | undefined, limit: number): Promise<string[]> {
    const rows = await selectRows<{ owner: string }>(
      this.connection,
      sql`SELECT owner FROM registry_quota_usage WHERE owner > ${after ?? ''}
        ORDER BY owner LIMIT ${sqlText(String(limit))}`,
    );
    return rows.map(({ owner }) => owner);
  }

  async set(owner: string, usage: Usage): Promise<void> {
    await executeSql(
      this.connection,
      sql`UPDATE registry_quota_usage SET used_bytes = ${usage.usedBytes},
          reserved_bytes = ${usage.reservedBytes}, updated_at = ${this.dialect.now}
        WHERE owner = ${owner}`,
    );
  }

  async find(owner: string): Promise<Usage | undefined> {
    return await this.select(owner, sqlText(''));
  }

  private async selectLocked(owner: string): Promise<Usage | undefined> {
    return await this.select(owner, this.dialect.forUpdate);
  }

  private async select(owner: string, lock: Sql): Promise<Usage | undefined> {
    const row = await selectRow<{ used_bytes: number | string; reserved_bytes: number | string }>(
      this.connection,
      sql`SELECT used_bytes, reserved_bytes FROM registry_quota_usage
        WHERE owner = ${owner}${lock}`,
    );
    return (
      row && {
        usedBytes: toNumber(row.used_bytes),
        reservedBytes: toNumber(row.reserved_bytes),
      }
    );
  }
}

/**
 * @param usage without what the upload itself has reserved so far
 * @throws DomainError `quota_exceeded` when so many bytes more are over the limit; null is none.
 */
export function checkQuota(usage: Usage, requestedBytes: number, limitBytes: number | null): void {
  if (limitBytes === null) return;
  const takenBytes = usage.usedBytes + usage.reservedBytes;
  if (takenBytes + requestedBytes <= limitBytes) return;
  const remainingBytes = Math.max(0, limitBytes - takenBytes);
  throw new DomainError(
    'quota_exceeded',
    `The size of the data ${requestedBytes} will exceed the limit. ${remainingBytes} bytes remaining.`,
    { details: { limitBytes, usedBytes: takenBytes, requestedBytes } },
  );
}
