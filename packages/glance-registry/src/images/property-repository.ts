import { isServiceProperty, type ImageProperty } from '@glance/common';
import type { Knex } from 'knex';
import type { Dialect } from '../db/dialect';
import { executeSql, isOneOf, joinSql, selectRow, selectRows, sql, sqlText } from '../db/sql';
import { checkPropertyChange, type PropertyChange } from './property-change';

/** Rows of `image_properties`. The image's row is locked by whoever calls. */
export class PropertyRepository {
  constructor(
    private readonly connection: Knex,
    private readonly dialect: Dialect,
  ) {}

  /**
   * Creates or overwrites. A row of the same name that was deleted is revived and loses its
   * deleted_at, so that no purge takes it later (schema sheet §4.2).
   */
  async upsert(imageId: string, properties: readonly ImageProperty[]): Promise<void> {
    const byName = new Map(properties);
    if (byName.size === 0) return;
    const { now } = this.dialect;
    const rows = [...byName].map(
      ([name, value]) => sql`(${imageId}, ${name}, ${value}, ${now}, ${now}, NULL, 0)`,
    );
    await executeSql(
      this.connection,
      sql`INSERT INTO image_properties
          (image_id, name, value, created_at, updated_at, deleted_at, deleted)
        VALUES ${joinSql(rows, ', ')}${this.dialect.onDuplicate(
          'image_id, name',
          (inserted) => sql`
            name = CASE WHEN image_properties.deleted = 0 THEN image_properties.name
              ELSE ${inserted('name')} END,
            value = ${inserted('value')}, updated_at = ${inserted('updated_at')},
            deleted_at = NULL, deleted = 0`,
        )}`,
    );
  }

  /**
   * @param quota the most properties after a change that adds one; null for no limit.
   * @throws DomainError `conflict`, `quota_exceeded`, see {@link checkPropertyChange}.
   */
  async change(imageId: string, change: PropertyChange, quota: number | null): Promise<void> {
    const set = new Set(change.set.map(([name]) => name));
    const kept = new Set(change.keep);
    const removed = new Set(change.remove);
    const hasRules = change.createOnly !== undefined || change.mustExist !== undefined;
    if (change.removeOthers === true || removed.size > 0 || hasRules || quota !== null) {
      const live = await selectRows<{ id: number; name: string }>(
        this.connection,
        sql`SELECT id, name FROM image_properties WHERE image_id = ${imageId} AND deleted = 0`,
      );
      const gone = live.filter(
        ({ name }) =>
          !set.has(name) &&
          (removed.has(name) ||
            (change.removeOthers === true && !kept.has(name) && !isServiceProperty(name))),
      );
      const before = new Set(live.map(({ name }) => name));
      const after = new Set([...before, ...set]);
      for (const { name } of gone) after.delete(name);
      checkPropertyChange(imageId, { before, after, change, quota });
      await this.markDeleted(gone.map(({ id }) => id));
    }
    await this.upsert(imageId, change.set);
  }

  /** @returns undefined when the image has no such property */
  async valueOf(imageId: string, name: string): Promise<string | null | undefined> {
    const row = await selectRow<{ value: string | null }>(
      this.connection,
      sql`SELECT value FROM image_properties
        WHERE image_id = ${imageId} AND name = ${name} AND deleted = 0`,
    );
    return row?.value;
  }

  /** Leaves no row, as upstream does with the lock of an import (schema sheet §4.4). */
  async erase(imageId: string, name: string): Promise<void> {
    await executeSql(
      this.connection,
      sql`DELETE FROM image_properties WHERE image_id = ${imageId} AND name = ${name}`,
    );
  }

  private async markDeleted(ids: readonly number[]): Promise<void> {
    if (ids.length === 0) return;
    const { now } = this.dialect;
    await executeSql(
      this.connection,
      sql`UPDATE image_properties SET deleted = 1, deleted_at = ${now}, updated_at = ${now}
        WHERE ${isOneOf(sqlText('id'), ids)}`,
    );
  }
}
