import { hasFourByteCharacter } from '@glance/common';
import { isOneOf, selectRows, sql, sqlText, type Sql } from '../db/sql';
import { findSealedUrls, openUrl } from '../images/stored-urls';
import type { Repositories } from '../repositories';

export interface BlobToJudge {
  /** `<image id>` or `<image id>.<upload id>`. */
  name: string;
  imageId: string;
  locationUrl: string;
}

/** The data is there, or waits to be removed; upstream marks rows in either way. */
const HOLDS_DATA = sqlText("(status <> 'deleted' OR deleted = 0)");

/**
 * The names of those blobs that are, or may be, of an image. In doubt a blob has an owner:
 *
 * - Locations are compared by each of their parts, because the directory of an adopted database may
 *   be spelled in another way. A directory of another store with the same name counts, too. The name
 *   is the last part in most stores; in RBD the snapshot follows, and the cluster may be missing. In
 *   Sheepdog a colon is before it.
 * - A location that cannot be decrypted (`metadata_encryption_key`) may be any.
 * - While an upload is not ended, its blob has no location yet. Upstream's uploads have no lease.
 */
export async function findOwned(
  { connection, cipher }: Repositories,
  blobs: readonly BlobToJudge[],
): Promise<Set<string>> {
  const imageIds = [...new Set(blobs.map(({ imageId }) => imageId))];
  const textsOf = async (query: Sql): Promise<string[]> =>
    (await selectRows<{ found: string }>(connection, query)).map((row) => row.found.toLowerCase());

  // Uploads first: one that is over by now has its location already, for the next statements.
  const uploading = await textsOf(
    sql`SELECT image_id AS found FROM registry_leases
      WHERE finished_at IS NULL AND ${isOneOf(sqlText('image_id'), imageIds)}
      UNION SELECT id AS found FROM images
      WHERE deleted = 0 AND status IN ('saving', 'uploading', 'importing')
        AND ${isOneOf(sqlText('id'), imageIds)}`,
  );
  const ownLocations = await selectRows<{ image_id: string; value: string }>(
    connection,
    sql`SELECT image_id, value FROM image_locations
      WHERE ${HOLDS_DATA} AND ${isOneOf(sqlText('image_id'), imageIds)}`,
  );
  // What the 3-byte tables cannot hold is in none of them.
  const urls = blobs.map(({ locationUrl }) => locationUrl);
  const exactLocations = await textsOf(
    sql`SELECT value AS found FROM image_locations WHERE ${HOLDS_DATA}
      AND ${isOneOf(
        sqlText('value'),
        urls.filter((url) => !hasFourByteCharacter(url)),
      )}`,
  );

  const owners = new Set(uploading);
  const parts = new Set<string>();
  for (const { image_id: imageId, value } of ownLocations) {
    const url = openUrl(cipher, value);
    if (url === undefined) owners.add(imageId.toLowerCase());
    else for (const part of url.split(/[/:]/)) parts.add(`${imageId}/${part}`.toLowerCase());
  }
  const exact = new Set(exactLocations);
  const isOwned = ({ name, imageId, locationUrl }: BlobToJudge): boolean =>
    owners.has(imageId) || parts.has(`${imageId}/${name}`) || exact.has(locationUrl.toLowerCase());
  const left = blobs.filter((blob) => !isOwned(blob)).map(({ locationUrl }) => locationUrl);
  const sealed = await findSealedUrls(connection, cipher, left, HOLDS_DATA);
  return new Set(
    blobs.filter((blob) => isOwned(blob) || sealed.has(blob.locationUrl)).map(({ name }) => name),
  );
}
