import type { ImageLocation } from '@glance/common';
import { isOneOf, sql, sqlText, type Sql } from '../db/sql';
import type { TextCipher } from '../db/text-cipher';
import { noChildren, toLocationMetadata, type ImageChildren } from './image-rows';
import { requireUrl } from './stored-urls';

/** A row of {@link childrenOf}. */
export interface ChildRow {
  kind: 'property' | 'tag' | 'location';
  image_id: string;
  child_id: number;
  child_name: string | null;
  value: string | null;
  meta_data: string | null;
  location_status: ImageLocation['status'] | null;
}

/** The columns of a {@link ChildRow} where there is none, for a union with {@link childrenOf}. */
export const NO_CHILD = sqlText(
  `NULL AS kind, NULL AS image_id, NULL AS child_id, NULL AS child_name, NULL AS value,
    NULL AS meta_data, NULL AS location_status`,
);

/**
 * Selects the live properties and tags of any number of images, their active locations and those
 * whose data is still to be removed. Rows of other statuses are no locations (schema sheet §4.1:
 * `pending` ones belong to a running import).
 * @param columns what stands before the columns of a {@link ChildRow}, with a comma after it.
 */
export function childrenOf(imageIds: readonly string[], columns = sqlText('')): Sql {
  const ofImages = isOneOf(sqlText('image_id'), imageIds);
  return sql`SELECT ${columns}'property' AS kind, image_id, id AS child_id, name AS child_name, value,
        NULL AS meta_data, NULL AS location_status
      FROM image_properties WHERE deleted = 0 AND ${ofImages}
    UNION ALL SELECT ${columns}'tag', image_id, id, NULL, value, NULL, NULL
      FROM image_tags WHERE deleted = 0 AND ${ofImages}
    UNION ALL SELECT ${columns}'location', image_id, id, NULL, value, meta_data, status
      FROM image_locations WHERE (deleted = 0 AND status = 'active' OR status = 'pending_delete')
        AND ${ofImages}`;
}

/** The children of each image that has any, each kind in the order in which they were added. */
export function groupChildren(
  rows: readonly ChildRow[],
  cipher: TextCipher,
): Map<string, ImageChildren> {
  const children = new Map<string, ImageChildren>();
  for (const row of rows.toSorted((a, b) => a.child_id - b.child_id)) {
    let of = children.get(row.image_id);
    if (!of) {
      of = noChildren();
      children.set(row.image_id, of);
    }
    add(of, row, cipher);
  }
  return children;
}

function add(children: ImageChildren, row: ChildRow, cipher: TextCipher): void {
  switch (row.kind) {
    case 'property':
      children.properties.push([row.child_name ?? '', row.value]);
      return;
    case 'tag':
      if (row.value !== null && !children.tags.includes(row.value)) children.tags.push(row.value);
      return;
    case 'location':
      children.locations.push({
        id: row.child_id,
        url: requireUrl(cipher, row.value ?? '', row.image_id),
        metadata: toLocationMetadata(row.meta_data),
        status: row.location_status ?? 'active',
      });
  }
}
