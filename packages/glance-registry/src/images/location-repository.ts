import { hasFourByteCharacter, type ImageLocation } from '@glance/common';
import type { Knex } from 'knex';
import type { Dialect } from '../db/dialect';
import { executeSql, selectRow, selectRows, sql, sqlText, type Sql } from '../db/sql';
import type { TextCipher } from '../db/text-cipher';
import { toAsciiJson } from '../db/values';
import { toLocationMetadata } from './image-rows';
import { findSealedUrls, requireUrl } from './stored-urls';

/** Rows of `image_locations`. The image's row is locked by whoever calls. */
export class LocationRepository {
  constructor(
    private readonly connection: Knex,
    private readonly dialect: Dialect,
    private readonly cipher: TextCipher,
  ) {}

  async insert(imageId: string, location: Pick<ImageLocation, 'url' | 'metadata'>): Promise<void> {
    const { now } = this.dialect;
    await executeSql(
      this.connection,
      sql`INSERT INTO image_locations
          (image_id, value, meta_data, status, created_at, updated_at, deleted)
        VALUES (${imageId}, ${this.cipher.seal(location.url)}, ${toAsciiJson(location.metadata)}, 'active',
          ${now}, ${now}, 0)`,
    );
  }

  /** Of the location that was inserted last. */
  async lastIdOf(imageId: string): Promise<number> {
    const row = await selectRow<{ id: number }>(
      this.connection,
      sql`SELECT MAX(id) AS id FROM image_locations WHERE image_id = ${imageId}`,
    );
    return row?.id ?? 0;
  }

  /** Locations that readers are shown. */
  async findActive(imageId: string): Promise<ImageLocation[]> {
    return await this.findWhere(imageId, sqlText(`deleted = 0 AND status = 'active'`));
  }

  /** Locations whose data is there, or waits to be removed. */
  async findStored(imageId: string): Promise<ImageLocation[]> {
    return await this.findWhere(imageId, sqlText(`(deleted = 0 OR status <> 'deleted')`));
  }

  private async findWhere(imageId: string, condition: Sql): Promise<ImageLocation[]> {
    const rows = await selectRows<{
      id: number;
      value: string;
      meta_data: string | null;
    }>(
      this.connection,
      sql`SELECT id, value, meta_data FROM image_locations
        WHERE image_id = ${imageId} AND ${condition} ORDER BY id`,
    );
    return rows.map((row) => ({
      id: row.id,
      url: requireUrl(this.cipher, row.value, imageId),
      metadata: toLocationMetadata(row.meta_data),
      status: 'active',
    }));
  }

  /** Gives a row another place: the order of the rows is that of the places. */
  async rewrite(
    locationId: number,
    { url, metadata }: Pick<ImageLocation, 'url' | 'metadata'>,
  ): Promise<void> {
    await executeSql(
      this.connection,
      sql`UPDATE image_locations SET value = ${this.cipher.seal(url)}, meta_data = ${toAsciiJson(metadata)},
          updated_at = ${this.dialect.now}
        WHERE id = ${locationId}`,
    );
  }

  /** One location that no reader is shown any more, and whose data nobody needs. */
  async markOnePendingDelete(locationId: number): Promise<void> {
    await this.mark(locationId, 'pending_delete');
  }

  async markOneDeleted(locationId: number): Promise<void> {
    await this.mark(locationId, 'deleted');
  }

  /** Back to its readers. */
  async restore(locationId: number): Promise<void> {
    await executeSql(
      this.connection,
      sql`UPDATE image_locations
        SET status = 'active', deleted = 0, deleted_at = NULL, updated_at = ${this.dialect.now}
        WHERE id = ${locationId}`,
    );
  }

  private async mark(locationId: number, status: 'pending_delete' | 'deleted'): Promise<void> {
    await executeSql(
      this.connection,
      sql`UPDATE image_locations SET status = ${status}, deleted = 1,
          deleted_at = COALESCE(deleted_at, ${this.dialect.now}), updated_at = ${this.dialect.now}
        WHERE id = ${locationId}`,
    );
  }

  /** Whether any image counts on the data at the URL, or waits for it to be removed. */
  async isInUse(url: string): Promise<boolean> {
    const inUse = sqlText(`status <> 'deleted'`);
    // What the 3-byte tables cannot hold is in none of them.
    if (!hasFourByteCharacter(url)) {
      const row = await selectRow(
        this.connection,
        sql`SELECT 1 AS found FROM image_locations WHERE value = ${url} AND ${inUse} LIMIT 1`,
      );
      if (row !== undefined) return true;
    }
    return (await findSealedUrls(this.connection, this.cipher, [url], inUse)).size > 0;
  }

  /** The scrubber finds them there (schema sheet §4.2). */
  async markPendingDelete(imageId: string, at: string): Promise<void> {
    await executeSql(
      this.connection,
      sql`UPDATE image_locations
        SET status = 'pending_delete', deleted = 1, deleted_at = ${at}, updated_at = ${at}
        WHERE image_id = ${imageId} AND deleted = 0`,
    );
  }

  async markDeleted(imageId: string): Promise<void> {
    await executeSql(
      this.connection,
      sql`UPDATE image_locations
        SET status = 'deleted', deleted = 1, updated_at = ${this.dialect.now},
          deleted_at = COALESCE(deleted_at, ${this.dialect.now})
        WHERE image_id = ${imageId} AND status <> 'deleted'`,
    );
  }

  /** Whether data of the image was removed since, by a scrubber of upstream for one. */
  async wereRemovedAfter(imageId: string, at: string): Promise<boolean> {
    const row = await selectRow(
      this.connection,
      sql`SELECT 1 AS found FROM image_locations
        WHERE image_id = ${imageId} AND status = 'deleted' AND deleted_at > ${at} LIMIT 1`,
    );
    return row !== undefined;
  }

  /**
   * Those that wait for their removal and of which nobody knows: their image is not being deleted
   * itself, and there is no record of their removal. Upstream leaves such rows behind.
   */
  async findStray(limit: number): Promise<{ id: number; imageId: string }[]> {
    const rows = await selectRows<{ id: number; image_id: string }>(
      this.connection,
      sql`SELECT image_locations.id, image_locations.image_id FROM image_locations
        JOIN images ON images.id = image_locations.image_id AND images.status <> 'pending_delete'
        LEFT JOIN registry_removals ON registry_removals.location_id = image_locations.id
        WHERE image_locations.status = 'pending_delete' AND registry_removals.location_id IS NULL
        ORDER BY image_locations.id LIMIT ${sqlText(String(limit))}`,
    );
    return rows.map(({ id, image_id: imageId }) => ({ id, imageId }));
  }

  /** One that waits for its removal. */
  async findPending(
    imageId: string,
    locationId: number,
  ): Promise<{ url: string; deletedAt: string | null } | undefined> {
    const row = await selectRow<{ value: string; deleted_at: string | null }>(
      this.connection,
      sql`SELECT value, deleted_at FROM image_locations
        WHERE id = ${locationId} AND image_id = ${imageId} AND status = 'pending_delete'`,
    );
    return row && { url: requireUrl(this.cipher, row.value, imageId), deletedAt: row.deleted_at };
  }

  /**
   * Brings back locations that wait for their removal with the image: those marked at one moment, or
   * all. What had been taken from the image before stays away.
   * @returns how many
   */
  async revive(imageId: string, markedAt: string | null): Promise<number> {
    const marked = markedAt === null ? sqlText('1 = 1') : sql`deleted_at = ${markedAt}`;
    return await executeSql(
      this.connection,
      sql`UPDATE image_locations
        SET status = 'active', deleted = 0, deleted_at = NULL, updated_at = ${this.dialect.now}
        WHERE image_id = ${imageId} AND status = 'pending_delete' AND ${marked}
          AND id NOT IN (SELECT location_id FROM registry_removals WHERE image_id = ${imageId})`,
    );
  }
}
