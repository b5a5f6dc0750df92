import type { Knex } from 'knex';
import type { Dialect } from '../db/dialect';
import { selectRows, sql, sqlText } from '../db/sql';
import { toNumber } from '../db/values';
import { toSeconds } from './table-readings';

/** As many images get series of their own, the newest: each is one more for good. */
export const MOST_IMAGES = 10_000;

export interface ImageFacts {
  id: string;
  name: string;
  owner: string;
  visibility: string;
  status: string;
  sizeBytes: number;
  createdAtSeconds: number;
}

interface ImageRow extends Omit<ImageFacts, 'sizeBytes' | 'createdAtSeconds' | 'name' | 'owner'> {
  name: string | null;
  owner: string | null;
  size: number | string | null;
  created_at: string;
}

/** How many images there are that are listed to administrators: not deleted and not hidden. */
export async function countImages(
  connection: Knex,
  dialect: Dialect,
): Promise<Map<string, number>> {
  const rows = await selectRows<{ visibility: string; images: number | string }>(
    connection,
    sql`SELECT visibility, COUNT(*) AS images
      FROM images${dialect.throughIndex(['registry_images_visibility_id'])}
      WHERE visibility IN ('public', 'community', 'shared', 'private')
        AND deleted = 0 AND os_hidden = 0
      GROUP BY visibility`,
  );
  return new Map(rows.map(({ visibility, images }) => [visibility, toNumber(images)]));
}

/** The newest of the same. */
export async function readImages(connection: Knex): Promise<ImageFacts[]> {
  const rows = await selectRows<ImageRow>(
    connection,
    sql`SELECT id, name, owner, visibility, status, size, created_at FROM images
      WHERE deleted = 0 AND os_hidden = 0
      ORDER BY created_at DESC, id DESC LIMIT ${sqlText(String(MOST_IMAGES))}`,
  );
  return rows.map(({ size, created_at, name, owner, ...row }) => ({
    ...row,
    name: name ?? '',
    owner: owner ?? '',
    sizeBytes: toNumber(size ?? 0),
    createdAtSeconds: toSeconds(created_at),
  }));
}
