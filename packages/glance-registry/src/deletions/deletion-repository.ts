import type { ImageStatus } from '@glance/common';
import type { Knex } from 'knex';
import type { Dialect } from '../db/dialect';
import { executeSql, selectRow, sql } from '../db/sql';

/** Rows of `registry_deletions` and `registry_tombstones`, and the end of an image's children. */
export class DeletionRepository {
  constructor(
    private readonly connection: Knex,
    private readonly dialect: Dialect,
  ) {}

  async begin(imageId: string, previousStatus: ImageStatus, delayed: boolean): Promise<void> {
    await this.forget(imageId);
    await executeSql(
      this.connection,
      sql`INSERT INTO registry_deletions (image_id, previous_status, is_delayed, created_at)
        VALUES (${imageId}, ${previousStatus}, ${Number(delayed)}, ${this.dialect.now})`,
    );
  }

  /** Undefined for a deletion that upstream began. */
  async previousStatus(imageId: string): Promise<ImageStatus | undefined> {
    const row = await selectRow<{ previous_status: ImageStatus }>(
      this.connection,
      sql`SELECT previous_status FROM registry_deletions WHERE image_id = ${imageId}`,
    );
    return row?.previous_status;
  }

  async forget(imageId: string): Promise<void> {
    await executeSql(
      this.connection,
      sql`DELETE FROM registry_deletions WHERE image_id = ${imageId}`,
    );
  }

  /** From here on the id is taken for ever, whatever becomes of the row. */
  async bury(imageId: string): Promise<void> {
    await this.connection('registry_tombstones')
      .insert({ image_id: imageId, created_at: this.connection.raw(this.dialect.now.text) })
      .onConflict('image_id')
      .ignore();
  }

  /** Marks live properties and tags as deleted at the time the image was (§4.2). */
  async markChildrenDeleted(imageId: string, at: string): Promise<void> {
    for (const table of ['image_properties', 'image_tags']) {
      await this.connection(table)
        .where({ image_id: imageId, deleted: 0 })
        .update({ deleted: 1, deleted_at: at, updated_at: at });
    }
  }
}
