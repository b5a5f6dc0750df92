import type { ImageLocation } from '@glance/common';
import type { Knex } from 'knex';
import { isOneOf, selectRows, sql, sqlText } from '../db/sql';
import type { TextCipher } from '../db/text-cipher';
import { toLocationMetadata, type ImageChildren } from './image-rows';
import { requireUrl } from './stored-urls';

interface ChildRow {
  kind: 'property' | 'tag' | 'location';
  image_id: string;
  id: number;
  name: string | null;
  value: string | null;
  meta_data: string | null;
  status: ImageLocation['status'] | null;
}

/**
 * The live properties and tags of any number of images, their active locations and those whose data
 * is still to be removed, in one statement. Rows of other statuses are no locations (schema sheet
 * §4.1: `pending` ones belong to a running import).
 */
export async function loadChildren(
  connection: Knex,
  cipher: TextCipher,
  imageIds: readonly string[],
): Promise<Map<string, ImageChildren>> {
  const children = new Map<string, ImageChildren>();
  for (const id of imageIds) children.set(id, { properties: [], tags: [], locations: [] });
  if (imageIds.length === 0) return children;
  const ofImages = isOneOf(sqlText('image_id'), imageIds);
  const rows = await selectRows<ChildRow>(
    connection,
    sql`SELECT 'property' AS kind, image_id, id, name, value, NULL AS meta_data, NULL AS status
        FROM image_properties WHERE deleted = 0 AND ${ofImages}
      UNION ALL SELECT 'tag', image_id, id, NULL, value, NULL, NULL
        FROM image_tags WHERE deleted = 0 AND ${ofImages}
      UNION ALL SELECT 'location', image_id, id, NULL, value, meta_data, status
        FROM image_locations WHERE (deleted = 0 AND status = 'active' OR status = 'pending_delete')
          AND ${ofImages}`,
  );
  for (const row of rows.sort((a, b) => a.id - b.id)) {
    const of = children.get(row.image_id);
    if (of) add(of, row, cipher);
  }
  return children;
}

function add(children: ImageChildren, row: ChildRow, cipher: TextCipher): void {
  switch (row.kind) {
    case 'property':
      children.properties.push([row.name ?? '', row.value]);
      return;
    case 'tag':
      if (row.value !== null && !children.tags.includes(row.value)) children.tags.push(row.value);
      return;
    case 'location':
      children.locations.push({
        id: row.id,
        url: requireUrl(cipher, row.value ?? '', row.image_id),
        metadata: toLocationMetadata(row.meta_data),
        status: row.status ?? 'active',
      });
  }
}
