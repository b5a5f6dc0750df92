import type { ListRemovals, LocationRemoval } from '@glance/common';
import type { Knex } from 'knex';
import type { Dialect } from '../db/dialect';
import { executeSql, selectRow, selectRows, sql, sqlText } from '../db/sql';
import type { TextCipher } from '../db/text-cipher';
import { toWireTime } from '../db/values';
import { toLocationMetadata } from '../images/image-rows';
import { requireUrl } from '../images/stored-urls';

interface RemovalRow {
  id: number;
  image_id: string;
  value: string;
  meta_data: string | null;
  begun_at: string;
  is_delayed: number;
}

interface NewRemoval {
  delayed: boolean;
  /** When the location was taken away; now, unless set. */
  begunAt?: string | null;
}

/** Rows of `registry_removals`. The image's row is locked by whoever changes one. */
export class RemovalRepository {
  constructor(
    private readonly connection: Knex,
    private readonly dialect: Dialect,
    private readonly cipher: TextCipher,
  ) {}

  async begin(
    imageId: string,
    locationId: number,
    { delayed, begunAt = null }: NewRemoval = { delayed: false },
  ): Promise<void> {
    await executeSql(
      this.connection,
      sql`INSERT INTO registry_removals (location_id, image_id, is_delayed, created_at)
        VALUES (${locationId}, ${imageId}, ${Number(delayed)}, COALESCE(${begunAt}, ${this.dialect.now}))`,
    );
  }

  async exists(imageId: string, locationId: number): Promise<boolean> {
    const row = await selectRow(
      this.connection,
      sql`SELECT 1 AS found FROM registry_removals
        WHERE location_id = ${locationId} AND image_id = ${imageId}${this.dialect.forUpdate}`,
    );
    return row !== undefined;
  }

  /** Of images that are not `pending_delete` themselves, in the order of the locations' ids. */
  async list({ imageId, after = 0, limit }: ListRemovals): Promise<LocationRemoval[]> {
    const ofImage =
      imageId === undefined ? sqlText('1 = 1') : sql`registry_removals.image_id = ${imageId}`;
    const rows = await selectRows<RemovalRow>(
      this.connection,
      sql`SELECT image_locations.id, image_locations.image_id, value, meta_data,
          registry_removals.created_at AS begun_at, registry_removals.is_delayed
        FROM registry_removals
        JOIN image_locations ON image_locations.id = registry_removals.location_id
        JOIN images ON images.id = registry_removals.image_id AND images.status <> 'pending_delete'
        WHERE registry_removals.location_id > ${after} AND ${ofImage}
        ORDER BY registry_removals.location_id LIMIT ${sqlText(String(limit))}`,
    );
    return rows.map((row) => ({
      imageId: row.image_id,
      location: {
        id: row.id,
        url: requireUrl(this.cipher, row.value, row.image_id),
        metadata: toLocationMetadata(row.meta_data),
        status: 'pending_delete',
      },
      begunAt: toWireTime(row.begun_at),
      isDelayed: row.is_delayed !== 0,
    }));
  }

  async forget(locationId: number): Promise<void> {
    await executeSql(
      this.connection,
      sql`DELETE FROM registry_removals WHERE location_id = ${locationId}`,
    );
  }

  async forgetAllOf(imageId: string): Promise<void> {
    await executeSql(
      this.connection,
      sql`DELETE FROM registry_removals WHERE image_id = ${imageId}`,
    );
  }
}
