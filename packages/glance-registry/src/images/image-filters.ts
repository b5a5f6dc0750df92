import { hasFourByteCharacter, type ImageListQuery, type TimeOperator } from '@glance/common';
import { FALSE, givesAny, isOneOf, sql, sqlText, type Sql, type SqlValue } from '../db/sql';
import { fromWireTime } from '../db/values';

const COMPARISONS: Record<TimeOperator, Sql> = {
  gt: sqlText('>'),
  gte: sqlText('>='),
  lt: sqlText('<'),
  lte: sqlText('<='),
  eq: sqlText('='),
  neq: sqlText('<>'),
};

/**
 * The conditions of a list query on `images`, all of which must hold, besides visibility, deleted
 * and hidden: those choose the branches (image-list-query.ts).
 */
export function imageFilters(query: ImageListQuery): Sql[] {
  const conditions: Sql[] = [];
  const equal = (column: string, value: SqlValue | undefined): void => {
    if (value !== undefined) conditions.push(textEquals(column, [value]));
  };
  const oneOf = (column: string, values: readonly string[] | undefined): void => {
    if (values !== undefined) conditions.push(textEquals(column, values));
  };
  oneOf('images.id', query.id);
  oneOf('images.name', query.name);
  oneOf('images.status', query.status);
  oneOf('images.container_format', query.containerFormat);
  oneOf('images.disk_format', query.diskFormat);
  equal('images.owner', query.owner);
  equal('images.checksum', query.checksum);
  equal('images.os_hash_algo', query.hashAlgorithm);
  equal('images.os_hash_value', query.hashValue);
  equal('images.min_disk', query.minDisk);
  equal('images.min_ram', query.minRam);
  equal('images.size', query.sizeBytes);
  equal('images.virtual_size', query.virtualSizeBytes);
  equal('images.protected', query.protected === undefined ? undefined : Number(query.protected));
  if (query.deleted === false) conditions.push(sqlText(`images.status <> 'killed'`));
  for (const [column, least, most] of [
    ['images.size', query.sizeMin, query.sizeMax],
    ['images.virtual_size', query.virtualSizeMin, query.virtualSizeMax],
    ['images.min_disk', query.minDiskMin, query.minDiskMax],
    ['images.min_ram', query.minRamMin, query.minRamMax],
  ] as const) {
    if (least !== undefined) conditions.push(sql`${sqlText(column)} >= ${least}`);
    if (most !== undefined) conditions.push(sql`${sqlText(column)} <= ${most}`);
  }
  for (const [column, time] of [
    ['images.created_at', query.createdAt],
    ['images.updated_at', query.updatedAt],
    ['images.updated_at', changesSince(query)],
  ] as const) {
    if (time) {
      conditions.push(
        sql`${sqlText(column)} ${COMPARISONS[time.operator]} ${fromWireTime(time.value)}`,
      );
    }
  }
  for (const tag of query.tags ?? []) {
    conditions.push(
      givesAny(sql`SELECT 1 FROM image_tags WHERE image_tags.image_id = images.id
        AND image_tags.deleted = 0 AND ${textEquals('image_tags.value', [tag])}`),
    );
  }
  for (const property of query.properties ?? []) {
    conditions.push(
      givesAny(sql`SELECT 1 FROM image_properties WHERE image_properties.image_id = images.id
        AND image_properties.deleted = 0 AND ${propertyEquals(property)}`),
    );
  }
  return conditions;
}

/**
 * Where the rows of a filter can be found by an index of their own: each selects ids, of which
 * there may turn out to be few or many.
 */
export function selectiveFilters(query: ImageListQuery): Sql[] {
  const found: Sql[] = [];
  const images = (condition: Sql): void => {
    const deleted = query.deleted === 'any' ? [0, 1] : [Number(query.deleted)];
    found.push(
      sql`SELECT id FROM images WHERE ${condition} AND ${isOneOf(sqlText('deleted'), deleted)}`,
    );
  };
  if (query.checksum !== undefined) images(textEquals('checksum', [query.checksum]));
  if (query.hashValue !== undefined) images(textEquals('os_hash_value', [query.hashValue]));
  // Most images are active: not worth a look.
  if (query.status && !query.status.includes('active')) images(textEquals('status', query.status));
  for (const time of [query.updatedAt, changesSince(query)]) {
    if (time && time.operator !== 'neq') {
      images(sql`updated_at ${COMPARISONS[time.operator]} ${fromWireTime(time.value)}`);
    }
  }
  for (const tag of query.tags ?? []) {
    found.push(
      sql`SELECT image_id AS id FROM image_tags WHERE deleted = 0 AND ${textEquals('value', [tag])}`,
    );
  }
  for (const property of query.properties ?? []) {
    found.push(
      sql`SELECT image_id AS id FROM image_properties
        WHERE deleted = 0 AND ${propertyEquals(property)}`,
    );
  }
  return found;
}

function changesSince(query: ImageListQuery): ImageListQuery['updatedAt'] {
  return query.changesSince === undefined
    ? undefined
    : { operator: 'gt', value: query.changesSince };
}

function propertyEquals([name, value]: readonly [string, string | null]): Sql {
  return sql`${textEquals('name', [name])} AND ${textEquals('value', [value ?? ''])}`;
}

/** Text that no 3-byte column can hold equals none, and would only make MySQL convert the column. */
function textEquals(column: string, values: readonly SqlValue[]): Sql {
  const possible = values.filter(
    (value) => typeof value !== 'string' || !hasFourByteCharacter(value),
  );
  return possible.length === 0 ? FALSE : isOneOf(sqlText(column), possible);
}
