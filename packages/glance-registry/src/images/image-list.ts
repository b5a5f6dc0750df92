import { DomainError, invalidRequest, type Identity, type ImageListQuery } from '@glance/common';
import type { Knex } from 'knex';
import type { Dialect } from '../db/dialect';
import { joinSql, selectRow, selectRows, sql, sqlText, type Sql } from '../db/sql';
import { toNumber } from '../db/values';
import { selectiveFilters } from './image-filters';
import { isMembership, pageQuery, type SharedImages } from './image-list-query';
import { ImageOrder } from './image-order';
import { IMAGE_COLUMNS, isPossibleId, type ImageRow } from './image-rows';
import { isVisibleTo, projectOf } from './visibility';

/**
 * Up to so many images are read one by one and sorted; more are found by walking an index in page
 * order, which meets one of them soon.
 */
const FEW = 2000;

/**
 * Rows of one page, in order. How many statements it takes depends on the filters given, never on
 * the size of the page or of the table.
 * @throws DomainError `forbidden` for `all` projects and no admin, and for a marker that the caller
 * may not see; `invalid_request` for one that is not there.
 */
export async function listImageRows(
  connection: Knex,
  dialect: Dialect,
  query: ImageListQuery,
  identity: Identity,
): Promise<ImageRow[]> {
  if (query.scope === 'all' && !identity.isAdmin) {
    throw new DomainError('forbidden', 'Only an admin may list the images of all projects.');
  }
  const marker =
    query.marker === undefined
      ? undefined
      : await findMarker(connection, dialect, query.marker, query, identity);
  if (query.limit === 0) return [];
  const candidates = await mostSelective(connection, selectiveFilters(query));
  if (candidates?.count === 0) return [];
  return await selectRows<ImageRow>(
    connection,
    pageQuery(dialect, {
      query,
      identity,
      order: new ImageOrder(query.sort),
      marker,
      candidates: candidates?.ids,
      shared: await imagesSharedWith(connection, dialect, query, identity),
    }),
  );
}

/**
 * The row after which the page starts. Deleted images mark a place for admins and where deleted
 * ones are listed (registry sheet §4).
 */
async function findMarker(
  connection: Knex,
  dialect: Dialect,
  id: string,
  query: ImageListQuery,
  identity: Identity,
): Promise<ImageRow> {
  if (!isPossibleId(id)) throw invalidMarker();
  const row = await selectRow<ImageRow & { visible: number }>(
    connection,
    sql`SELECT ${IMAGE_COLUMNS},
        CASE WHEN ${isVisibleTo(dialect, identity)} THEN 1 ELSE 0 END AS visible
      FROM images WHERE images.id = ${id}`,
  );
  if (!row) throw invalidMarker();
  const isVisible = toNumber(row.visible) === 1;
  if (row.deleted !== 0 && !identity.isAdmin && (query.deleted === false || !isVisible)) {
    throw invalidMarker();
  }
  if (!isVisible) {
    throw new DomainError('forbidden', 'You are not permitted to see the image of the marker.', {
      details: { marker: id },
    });
  }
  return row;
}

function invalidMarker(): DomainError {
  return invalidRequest('Invalid marker. Image could not be found.');
}

export async function imagesSharedWith(
  connection: Knex,
  dialect: Dialect,
  query: ImageListQuery,
  identity: Identity,
): Promise<SharedImages> {
  const project = projectOf(identity);
  if (project === null || query.scope === 'all') return { amount: 'none' };
  if (query.visibility && !query.visibility.includes('shared')) return { amount: 'none' };
  const ids = sql`SELECT image_id AS id FROM image_members
    WHERE ${isMembership(dialect, query, project)}`;
  const found = await mostSelective(connection, [ids]);
  if (!found) return { amount: 'many' };
  return found.count === 0 ? { amount: 'none' } : { amount: 'few', ids };
}

/** Of queries that select ids the one that selects the fewest, if that is few. */
async function mostSelective(
  connection: Knex,
  queries: readonly Sql[],
): Promise<{ ids: Sql; count: number } | undefined> {
  if (queries.length === 0) return undefined;
  const limit = sqlText(String(FEW + 1));
  const counts = queries.map(
    (ids, index) => sql`SELECT ${sqlText(String(index))} AS place, COUNT(*) AS amount
      FROM (${ids} LIMIT ${limit}) found`,
  );
  const rows = await selectRows<{ place: number; amount: number }>(
    connection,
    joinSql(counts, ' UNION ALL '),
  );
  const [fewest] = rows.filter(({ amount }) => amount <= FEW).sort((a, b) => a.amount - b.amount);
  const ids = fewest && queries[fewest.place];
  return fewest && ids && { ids, count: fewest.amount };
}
