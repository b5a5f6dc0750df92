import type { Identity, ImageListQuery, Visibility } from '@glance/common';
import type { Dialect } from '../db/dialect';
import { FALSE, allOf, anyOf, givesAny, isOneOf, sql, sqlText, type Sql } from '../db/sql';
import { imageFilters } from './image-filters';
import type { ImageOrder } from './image-order';
import { IMAGE_COLUMNS, type ImageRow } from './image-rows';
import { isOwnedBy, projectOf } from './visibility';

export interface ListPlan {
  query: ImageListQuery;
  identity: Identity;
  order: ImageOrder;
  /** The page starts after this row. */
  marker: ImageRow | undefined;
  /** Selects the few ids that one of the filters leaves; undefined when each leaves many. */
  candidates: Sql | undefined;
  shared: SharedImages;
}

/** Images that a membership of the caller's project makes visible. */
export type SharedImages =
  | { amount: 'none' }
  /** `ids` selects them. */
  | { amount: 'few'; ids: Sql }
  | { amount: 'many' };

/** Images of one visibility, where it says so of one owner, or among few ids. */
interface Group {
  condition: Sql;
  ofOneOwner?: boolean;
  among?: Sql;
}

/**
 * One page of the image list.
 *
 * "Public or mine or shared with me" as one condition would read the whole table in order. Instead
 * the list is a merge of disjoint branches. Each holds one visibility (and, for the caller's own
 * images, one owner), one value of `deleted` and one of `os_hidden`: an equal prefix of an index
 * that goes on in page order (REGISTRY_INDEXES), of which only the first rows are read. A filter
 * that leaves few images is answered from those instead.
 */
export function pageQuery(dialect: Dialect, plan: ListPlan): Sql {
  const { query, order } = plan;
  const filters = imageFilters(query);
  if (plan.marker) filters.push(order.after(plan.marker));
  const deleted = query.deleted === 'any' ? [0, 1] : [Number(query.deleted)];
  const hidden = query.hidden === undefined ? [0, 1] : [Number(query.hidden)];
  const limit = sqlText(String(query.limit));
  const groups = visibilityGroups(dialect, plan);
  const select = (from: Sql, conditions: readonly Sql[]): Sql =>
    sql`SELECT ${IMAGE_COLUMNS} FROM ${from} WHERE ${allOf(conditions)}
      ORDER BY ${order.by('images.')} LIMIT ${limit}`;
  if (plan.candidates !== undefined || query.id !== undefined) {
    return select(plan.candidates ? dialect.fromImagesOf(plan.candidates) : IMAGES, [
      anyOf(groups.map(({ condition }) => sql`(${condition})`)),
      isOneOf(sqlText('images.deleted'), deleted),
      isOneOf(sqlText('images.os_hidden'), hidden),
      ...filters,
    ]);
  }
  const branches = groups.flatMap((group) =>
    deleted.flatMap((deletedValue) =>
      hidden.map((hiddenValue) =>
        select(fromOf(dialect, plan, group), [
          group.condition,
          sql`images.deleted = ${deletedValue}`,
          sql`images.os_hidden = ${hiddenValue}`,
          ...filters,
        ]),
      ),
    ),
  );
  const [only] = branches;
  if (only === undefined) return select(IMAGES, [FALSE]);
  if (branches.length === 1) return only;
  return sql`${dialect.unionOf(branches)} ORDER BY ${order.by('')} LIMIT ${limit}`;
}

const IMAGES = sqlText('images');

function fromOf(dialect: Dialect, plan: ListPlan, group: Group): Sql {
  if (group.among) return dialect.fromImagesOf(group.among);
  const indexes = pageIndexes(plan, group);
  return indexes.length === 0 ? IMAGES : sql`${IMAGES}${dialect.throughIndex(indexes)}`;
}

/**
 * The indexes are named: left to choose, MariaDB intersects upstream's indexes on the single
 * columns and sorts all that they leave. Only where another way may be much shorter, it has the
 * choice: by the time filter, which may leave little of a branch.
 */
function pageIndexes({ query, order }: ListPlan, group: Group): string[] {
  const prefix = group.ofOneOwner || query.owner !== undefined ? 'owner' : 'visibility';
  const on = (column: string): string => `registry_images_${prefix}_${column}`;
  if (query.name !== undefined) return [on('name')];
  const key = order.indexedBy;
  if (key === undefined) return [];
  const byTime = query.updatedAt !== undefined || query.changesSince !== undefined;
  return byTime && key !== 'updated_at' ? [on(key), on('updated_at')] : [on(key)];
}

/** Disjoint groups that together are what the caller lists (schema sheet §5.2, points 1, 2). */
function visibilityGroups(dialect: Dialect, plan: ListPlan): Group[] {
  const { query, identity } = plan;
  const project = projectOf(identity);
  const wanted = (visibility: Visibility): boolean =>
    query.visibility === undefined || query.visibility.includes(visibility);
  // Community images of others are listed only when asked for by name.
  const wholeCommunity = query.visibility?.includes('community') === true;
  const open = new Set<Visibility>();
  if (wanted('public')) open.add('public');
  if (wholeCommunity) open.add('community');
  if (query.scope === 'all') {
    if (wanted('shared')) open.add('shared');
    if (wanted('private')) open.add('private');
  }
  const groups: Group[] = [...open].map((visibility) => ({
    condition: hasVisibility(visibility),
  }));
  if (project === null) return groups;
  const mine = isOwnedBy(dialect, project);
  for (const visibility of ['private', 'shared', 'community'] as const) {
    if (!wanted(visibility) || open.has(visibility)) continue;
    groups.push({
      condition: sql`${mine} AND ${hasVisibility(visibility)}`,
      ofOneOwner: true,
    });
  }
  if (query.scope === 'caller' && wanted('shared') && plan.shared.amount !== 'none') {
    groups.push({
      condition: sql`${hasVisibility('shared')} AND (images.owner IS NULL OR NOT (${mine}))
        AND ${givesAny(sql`SELECT 1 FROM image_members WHERE image_members.image_id = images.id
          AND ${isMembership(dialect, query, project)}`)}`,
      ...(plan.shared.amount === 'few' ? { among: plan.shared.ids } : {}),
    });
  }
  return groups;
}

/** Live rows of `image_members` that make an image listed for the project. */
export function isMembership(dialect: Dialect, query: ImageListQuery, project: string): Sql {
  const conditions = [
    dialect.exactly(sqlText('image_members.member'), project),
    sqlText('image_members.deleted = 0'),
  ];
  if (query.memberStatus !== 'all') {
    conditions.push(sql`image_members.status = ${query.memberStatus}`);
  }
  return allOf(conditions);
}

function hasVisibility(visibility: Visibility): Sql {
  return sql`images.visibility = ${visibility}`;
}
