import type { ClaimDeletion, ImageStatus } from '@glance/common';
import type { Knex } from 'knex';
import type { Dialect } from '../db/dialect';
import { executeSql, selectRow, sql, sqlText } from '../db/sql';

/** A deletion that was begun and is not finished. */
export interface BegunDeletion {
  /** What the image was; `pending_delete` when upstream began it, who does not say. */
  previousStatus: ImageStatus;
  /** How many have begun to remove the data, and not said that it is all there still. */
  scrubs: number;
}

/** Whose deletion is meant: an image, and when it was deleted. */
export interface DeletionKey {
  imageId: string;
  at: string;
}

interface NewDeletion extends BegunDeletion {
  delayed: boolean;
}

/** Children that go and come back with their image; locations have states of their own. */
const CHILD_TABLES = ['image_properties', 'image_tags', 'image_members'] as const;

/** Rows of `registry_deletions` and `registry_tombstones`, and the end of an image's children. */
export class DeletionRepository {
  constructor(
    private readonly connection: Knex,
    private readonly dialect: Dialect,
  ) {}

  async begin({ imageId, at }: DeletionKey, begun: NewDeletion): Promise<void> {
    await this.forget(imageId);
    await executeSql(
      this.connection,
      sql`INSERT INTO registry_deletions
          (image_id, previous_status, is_delayed, scrubs, created_at)
        VALUES (${imageId}, ${begun.previousStatus}, ${Number(begun.delayed)}, ${begun.scrubs}, ${at})`,
    );
  }

  /**
   * Undefined for a deletion that upstream began, also after one of ours: the record of that may be
   * left, and tells of another moment.
   */
  async find({ imageId, at }: DeletionKey): Promise<BegunDeletion | undefined> {
    const row = await selectRow<{ previous_status: ImageStatus; scrubs: number }>(
      this.connection,
      sql`SELECT previous_status, scrubs FROM registry_deletions
        WHERE image_id = ${imageId} AND created_at = ${at}`,
    );
    return row && { previousStatus: row.previous_status, scrubs: row.scrubs };
  }

  /** Somebody begins to remove the data. */
  async addScrub(key: DeletionKey): Promise<void> {
    const { imageId, at } = key;
    const matched = await executeSql(
      this.connection,
      sql`UPDATE registry_deletions SET scrubs = scrubs + 1
        WHERE image_id = ${imageId} AND created_at = ${at}`,
    );
    if (matched === 1) return;
    await this.begin(key, { previousStatus: 'pending_delete', scrubs: 1, delayed: true });
  }

  /** Somebody has removed nothing after all. @returns whether anybody was to. */
  async dropScrub({ imageId, at }: DeletionKey): Promise<boolean> {
    const matched = await executeSql(
      this.connection,
      sql`UPDATE registry_deletions SET scrubs = scrubs - 1
        WHERE image_id = ${imageId} AND created_at = ${at} AND scrubs > 0`,
    );
    return matched === 1;
  }

  /** The first one, by the image's id, that has waited for as long as it has to. */
  async findDue({
    after = '',
    graceSeconds,
    scrubSeconds,
  }: ClaimDeletion): Promise<DeletionKey | undefined> {
    const { dialect } = this;
    const row = await selectRow<{ id: string; deleted_at: string }>(
      this.connection,
      sql`SELECT images.id, images.deleted_at FROM images
        LEFT JOIN registry_deletions ON registry_deletions.image_id = images.id
          AND registry_deletions.created_at = images.deleted_at
        WHERE images.status = 'pending_delete' AND images.deleted = 1 AND images.id > ${after}
          AND images.deleted_at <= CASE WHEN registry_deletions.is_delayed = 0
            THEN ${dialect.secondsFromNow(-graceSeconds)}
            ELSE ${dialect.secondsFromNow(-scrubSeconds)} END
        ORDER BY images.id LIMIT 1`,
    );
    return row && { imageId: row.id, at: row.deleted_at };
  }

  /** Images that upstream was about to delete when it died: it says `pending_delete` first. */
  async findHalfBegun(limit: number): Promise<string[]> {
    const rows = (await this.connection('images')
      .select('id')
      .where({ status: 'pending_delete', deleted: 0 })
      .limit(limit)) as { id: string }[];
    return rows.map(({ id }) => id);
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

  /**
   * Lets go of what was removed from the image in the very second in which it is deleted: times have
   * no smaller parts, and only what goes with the image may come back with it.
   */
  async dropChildrenDeletedAt({ imageId, at }: DeletionKey): Promise<void> {
    for (const table of CHILD_TABLES) {
      await executeSql(
        this.connection,
        sql`DELETE FROM ${sqlText(table)}
          WHERE image_id = ${imageId} AND deleted = 1 AND deleted_at = ${at}`,
      );
    }
  }

  /** Brings children back that went at one moment; properties also shortly before. */
  async reviveChildren({ imageId, at }: DeletionKey, propertiesSince: string): Promise<void> {
    for (const table of CHILD_TABLES) {
      const since = table === 'image_properties' ? propertiesSince : at;
      await this.connection(table)
        .where({ image_id: imageId, deleted: 1 })
        .whereBetween('deleted_at', [since, at])
        .update({
          deleted: 0,
          deleted_at: null,
          updated_at: this.connection.raw(this.dialect.now.text),
        });
    }
  }
}
