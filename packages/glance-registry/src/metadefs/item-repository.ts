import {
  metadefItemExists,
  type Identity,
  type MetadefItemQuery,
  type MetadefItemRequest,
  type MetadefItemSortKey,
  type MetadefKind,
} from '@glance/common';
import type { Knex } from 'knex';
import type { Dialect } from '../db/dialect';
import {
  allOf,
  executeSql,
  isOneOf,
  joinSql,
  selectRow,
  selectRows,
  sql,
  sqlText,
  type Sql,
  type SqlValue,
} from '../db/sql';
import { toAsciiJson } from '../db/values';
import { insertRows } from './insert-rows';
import { afterMarker, metadefOrder, type MetadefPage } from './metadef-order';
import type { ItemRow } from './metadef-rows';
import type { MetadefNamespaceRepository } from './namespace-repository';

interface ItemTable {
  name: Exclude<MetadefPage['table'], 'metadef_namespaces'>;
  /** Besides namespace and times, in the order of `valuesOf`. */
  columns: readonly string[];
  /** As rows are read, whatever the kind. */
  selected: Sql;
}

const TABLES: Readonly<Record<MetadefKind, ItemTable>> = {
  objects: {
    name: 'metadef_objects',
    columns: ['name', 'description', 'required', 'json_schema'],
    selected: sqlText('id, name, description, required, json_schema, created_at, updated_at'),
  },
  properties: {
    name: 'metadef_properties',
    columns: ['name', 'json_schema'],
    selected: sqlText(
      'id, name, NULL AS description, NULL AS required, json_schema, created_at, updated_at',
    ),
  },
  tags: {
    name: 'metadef_tags',
    columns: ['name'],
    selected: sqlText(
      'id, name, NULL AS description, NULL AS required, NULL AS json_schema, created_at, updated_at',
    ),
  },
};

/** Never text of a request. Without a time an item comes first. */
const SORT_COLUMNS: Readonly<Record<MetadefItemSortKey, Sql>> = {
  id: sqlText('id'),
  name: sqlText('name'),
  created_at: sqlText('created_at'),
  updated_at: sqlText(`COALESCE(updated_at, '1000-01-01 00:00:00')`),
};

const NAMES_PER_STATEMENT = 500;
const ALL: MetadefItemQuery = { sortKey: 'id', sortDirection: 'asc' };

/** The namespace that items are of. */
export interface ItemsOf {
  id: number;
  namespace: string;
}

export interface AppliedRow {
  namespace: string;
  prefix: string | null;
  name: string;
  json_schema: string | null;
}

/** Rows of `metadef_objects`, `metadef_properties` and `metadef_tags`. The namespace's row is locked by whoever writes. */
export class MetadefItemRepository {
  constructor(
    private readonly connection: Knex,
    private readonly dialect: Dialect,
    private readonly namespaces: MetadefNamespaceRepository,
  ) {}

  /** @param query all in the order in which they were made, without one. */
  async list(
    namespaceId: number,
    kind: MetadefKind,
    query: MetadefItemQuery = ALL,
    markerId?: number,
  ): Promise<ItemRow[]> {
    const { name: table, selected } = TABLES[kind];
    const page = {
      table,
      key: SORT_COLUMNS[query.sortKey],
      direction: query.sortDirection,
      markerId,
    };
    const after = afterMarker(page);
    const conditions = [sql`namespace_id = ${namespaceId}`, ...(after ? [after] : [])];
    const limit = query.limit === undefined ? '' : ` LIMIT ${query.limit}`;
    return await selectRows<ItemRow>(
      this.connection,
      sql`SELECT ${selected} FROM ${sqlText(table)} WHERE ${allOf(conditions)}
        ORDER BY ${metadefOrder(page)}${sqlText(limit)}`,
    );
  }

  async find(namespaceId: number, kind: MetadefKind, name: string): Promise<ItemRow | undefined> {
    const table = TABLES[kind];
    return await selectRow<ItemRow>(
      this.connection,
      sql`SELECT ${table.selected} FROM ${sqlText(table.name)}
        WHERE namespace_id = ${namespaceId} AND name = ${name}`,
    );
  }

  /** @returns the ids of those that are there, by the names that were given */
  async findKnown(
    namespaceId: number,
    kind: MetadefKind,
    names: readonly string[],
  ): Promise<Map<string, number>> {
    const known = new Map<string, number>();
    for (let start = 0; start < names.length; start += NAMES_PER_STATEMENT) {
      const some = names.slice(start, start + NAMES_PER_STATEMENT);
      const rows = await selectRows<{ id: number; name: string }>(
        this.connection,
        sql`SELECT id, name FROM ${sqlText(TABLES[kind].name)}
          WHERE namespace_id = ${namespaceId} AND ${isOneOf(sqlText('name'), some)}`,
      );
      const exact = new Map(rows.map(({ id, name }) => [name, id]));
      for (const name of some) {
        // Only the database knows which names it takes for the same.
        const id =
          exact.get(name) ??
          (rows.length > 0 ? (await this.find(namespaceId, kind, name))?.id : undefined);
        if (id !== undefined) known.set(name, id);
      }
    }
    return known;
  }

  /** @throws DomainError `conflict` for the first name that is taken */
  async insert(
    { id, namespace }: ItemsOf,
    kind: MetadefKind,
    items: readonly MetadefItemRequest[],
    createdAt: string,
    updatedAt: string | null,
  ): Promise<void> {
    const { name: table, columns } = TABLES[kind];
    const into = sqlText(`${table} (namespace_id, ${columns.join(', ')}, created_at, updated_at)`);
    await insertRows(
      this.dialect,
      items.map((item) => {
        const values = [id, ...valuesOf(kind, item), createdAt, updatedAt];
        const places = values.map((value) => sql`${value}`);
        return { name: item.name, values: sql`(${joinSql(places, ', ')})` };
      }),
      (values) =>
        executeSql(this.connection, sql`INSERT INTO ${into} VALUES ${joinSql(values, ', ')}`),
      (name) => metadefItemExists(kind, name, namespace),
    );
  }

  /** @throws DomainError `conflict` for a name that is taken */
  async update(
    { namespace }: ItemsOf,
    kind: MetadefKind,
    itemId: number,
    item: MetadefItemRequest,
    updatedAt: string,
  ): Promise<void> {
    const { name: table, columns } = TABLES[kind];
    const values = valuesOf(kind, item);
    const assignments = columns.map(
      (column, index) => sql`${sqlText(column)} = ${values[index] ?? null}`,
    );
    try {
      await executeSql(
        this.connection,
        sql`UPDATE ${sqlText(table)}
          SET ${joinSql(assignments, ', ')}, updated_at = ${updatedAt} WHERE id = ${itemId}`,
      );
    } catch (error) {
      if (this.dialect.classify(error) !== 'duplicate') throw error;
      throw metadefItemExists(kind, item.name, namespace);
    }
  }

  async delete(kind: MetadefKind, itemId: number): Promise<void> {
    await executeSql(
      this.connection,
      sql`DELETE FROM ${sqlText(TABLES[kind].name)} WHERE id = ${itemId}`,
    );
  }

  async deleteAll(namespaceId: number, kind: MetadefKind): Promise<void> {
    await executeSql(
      this.connection,
      sql`DELETE FROM ${sqlText(TABLES[kind].name)} WHERE namespace_id = ${namespaceId}`,
    );
  }

  /** Definitions of the namespaces that the caller sees and that a resource type is associated with. */
  async listApplied(
    kind: 'objects' | 'properties',
    resourceType: string,
    identity: Identity,
  ): Promise<AppliedRow[]> {
    return await selectRows<AppliedRow>(
      this.connection,
      sql`SELECT metadef_namespaces.namespace, associations.prefix, items.name, items.json_schema
        FROM metadef_resource_types types
        JOIN metadef_namespace_resource_types associations
          ON associations.resource_type_id = types.id
        JOIN metadef_namespaces ON metadef_namespaces.id = associations.namespace_id
        JOIN ${sqlText(TABLES[kind].name)} items ON items.namespace_id = metadef_namespaces.id
        WHERE types.name = ${resourceType} AND ${this.namespaces.isVisibleTo(identity)}`,
    );
  }
}

/** In the order of the columns of the kind's table. */
function valuesOf(
  kind: MetadefKind,
  { name, description, required, schema }: MetadefItemRequest,
): SqlValue[] {
  if (kind === 'tags') return [name];
  const json = toAsciiJson(schema ?? {});
  if (kind === 'properties') return [name, json];
  return [
    name,
    description,
    required === null || !required.length ? null : required.join(','),
    json,
  ];
}
