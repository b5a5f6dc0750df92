import type { Knex } from 'knex';
import type { Dialect } from '../db/dialect';
import { executeSql, isOneOf, joinSql, selectRows, sql, sqlText } from '../db/sql';

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
    const live = await selectRows<{ id: number; value: string }>(
      this.connection,
      sql`SELECT id, value FROM image_tags WHERE image_id = ${imageId} AND deleted = 0`,
    );
    const present = new Set(live.map(({ value }) => value));
    await this.insert(
      imageId,
      tags.filter((tag) => !present.has(tag)),
    );
    const wanted = new Set(tags);
    const gone = live.filter(({ value }) => !wanted.has(value)).map(({ id }) => id);
    if (gone.length === 0) return;
    const { now } = this.dialect;
    await executeSql(
      this.connection,
      sql`UPDATE image_tags SET deleted = 1, deleted_at = ${now}, updated_at = ${now}
        WHERE ${isOneOf(sqlText('id'), gone)}`,
    );
  }
}
