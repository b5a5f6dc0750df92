import { checkCountQuota, DomainError } from '@glance/common';
import type { Knex } from 'knex';
import type { Dialect } from '../db/dialect';
import { executeSql, isOneOf, joinSql, selectRows, sql, sqlText } from '../db/sql';

interface TagRow {
  id: number;
  value: string;
}

export interface TagChange {
  add: readonly string[];
  remove: readonly string[];
  /** The most tags after a change that adds one; null for no limit. */
  quota: number | null;
}

/** Rows of `image_tags`. The image's row is locked by whoever calls. */
export class TagRepository {
  constructor(
    private readonly connection: Knex,
    private readonly dialect: Dialect,
  ) {}

  /** Always new rows, as upstream writes them (schema sheet §4.2). */
  async insert(imageId: string, tags: readonly string[]): Promise<void> {
    if (tags.length === 0) return;
    const { now } = this.dialect;
    const rows = [...new Set(tags)].map((tag) => sql`(${imageId}, ${tag}, ${now}, ${now}, 0)`);
    await executeSql(
      this.connection,
      sql`INSERT INTO image_tags (image_id, value, created_at, updated_at, deleted)
        VALUES ${joinSql(rows, ', ')}`,
    );
  }

  /** Inserts what is missing in the given order, then marks what is not named as deleted. */
  async replace(imageId: string, tags: readonly string[]): Promise<void> {
    const live = await this.findLive(imageId);
    const present = new Set(live.map(({ value }) => value));
    await this.insert(
      imageId,
      tags.filter((tag) => !present.has(tag)),
    );
    const wanted = new Set(tags);
    await this.markDeleted(live.filter(({ value }) => !wanted.has(value)));
  }

  /**
   * Removes some tags, then adds others. One that is there already stays as it is.
   * @throws DomainError `not_found` for a tag to remove that is not there; `quota_exceeded` when
   * one is added and more than the quota would be there.
   */
  async change(imageId: string, { add, remove, quota }: TagChange): Promise<void> {
    const live = await this.findLive(imageId);
    const before = new Set(live.map(({ value }) => value));
    const missing = remove.find((tag) => !before.has(tag));
    if (missing !== undefined) {
      throw new DomainError('not_found', `Image ${imageId} has no tag ${missing}.`);
    }
    const added = new Set(add);
    const gone = new Set(remove.filter((tag) => !added.has(tag)));
    const fresh = [...added].filter((tag) => !before.has(tag));
    if (fresh.length > 0) {
      checkCountQuota('image tags', before.size - gone.size + fresh.length, quota);
    }
    await this.markDeleted(live.filter(({ value }) => gone.has(value)));
    await this.insert(imageId, fresh);
  }

  private async findLive(imageId: string): Promise<TagRow[]> {
    return await selectRows<TagRow>(
      this.connection,
      sql`SELECT id, value FROM image_tags WHERE image_id = ${imageId} AND deleted = 0`,
    );
  }

  private async markDeleted(rows: readonly TagRow[]): Promise<void> {
    if (rows.length === 0) return;
    const { now } = this.dialect;
    const ids = rows.map(({ id }) => id);
    await executeSql(
      this.connection,
      sql`UPDATE image_tags SET deleted = 1, deleted_at = ${now}, updated_at = ${now}
        WHERE ${isOneOf(sqlText('id'), ids)}`,
    );
  }
}
