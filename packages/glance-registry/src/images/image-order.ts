import type { ImageListQuery, ImageSortKey } from '@glance/common';
import { SORTED_COLUMNS } from '../db/schema/registry-tables';
import { allOf, anyOf, joinSql, sql, sqlText, FALSE, type Sql, type SqlValue } from '../db/sql';
import type { ImageRow } from './image-rows';

interface SortColumn {
  name: keyof ImageRow;
  nullable: boolean;
}

/** Column names come from here only. */
const COLUMNS: Readonly<Record<ImageSortKey, SortColumn>> = {
  name: { name: 'name', nullable: true },
  status: { name: 'status', nullable: false },
  containerFormat: { name: 'container_format', nullable: true },
  diskFormat: { name: 'disk_format', nullable: true },
  sizeBytes: { name: 'size', nullable: true },
  id: { name: 'id', nullable: false },
  createdAt: { name: 'created_at', nullable: false },
  updatedAt: { name: 'updated_at', nullable: true },
};

type Term = SortColumn & { ascending: boolean };

/**
 * The order of a list: the keys asked for, then created_at and id in the last direction given, so
 * that it is total. NULL is the lowest value, on both databases.
 */
export class ImageOrder {
  private readonly terms: readonly Term[];

  constructor(sort: ImageListQuery['sort']) {
    const direction = sort.at(-1)?.direction ?? 'desc';
    const terms: Term[] = [];
    for (const each of [
      ...sort,
      { key: 'createdAt', direction } as const,
      { key: 'id', direction } as const,
    ]) {
      const column = COLUMNS[each.key];
      if (terms.some((term) => term.name === column.name)) continue;
      terms.push({ ...column, ascending: each.direction === 'asc' });
    }
    // What follows the id never decides.
    const id = terms.findIndex((term) => term.name === 'id');
    this.terms = terms.slice(0, id + 1);
  }

  /** The column by which an index (REGISTRY_INDEXES, ID_ORDER_INDEXES) holds images in this order. */
  get indexedBy(): string | undefined {
    const [first, ...rest] = this.terms;
    if (first?.name === 'id') return 'id';
    if (!first || rest.some((term) => term.ascending !== first.ascending)) return undefined;
    if (!SORTED_COLUMNS.some((column) => column === first.name)) return undefined;
    const expected = first.name === 'created_at' ? 'id' : 'created_at,id';
    return rest.map((term) => term.name).join() === expected ? first.name : undefined;
  }

  /** ORDER BY terms. A union has no table before its columns. */
  by(prefix: 'images.' | ''): Sql {
    return joinSql(
      this.terms.map((term) => sqlText(`${prefix}${term.name} ${term.ascending ? 'ASC' : 'DESC'}`)),
      ', ',
    );
  }

  /**
   * What comes after a row. Unlike upstream's condition, which takes NULL for '' or 0 but sorts it
   * apart (schema sheet §5.3), this follows the order exactly: no page repeats or loses a row.
   */
  after(marker: ImageRow): Sql {
    const alternatives: Sql[] = [];
    const equals: Sql[] = [];
    for (const term of this.terms) {
      const column = sqlText(`images.${term.name}`);
      const value: SqlValue = marker[term.name];
      alternatives.push(sql`(${allOf([...equals, beyond(term, column, value)])})`);
      equals.push(value === null ? sql`${column} IS NULL` : sql`${column} = ${value}`);
    }
    return allOf([...this.startOfRange(marker), anyOf(alternatives)]);
  }

  /** Implied by the alternatives; lets an index be entered at the marker instead of at its end. */
  private startOfRange(marker: ImageRow): Sql[] {
    const [first] = this.terms;
    if (!first) return [];
    const value: SqlValue = marker[first.name];
    const column = sqlText(`images.${first.name}`);
    if (value === null) return first.ascending ? [] : [sql`${column} IS NULL`];
    if (first.ascending) return [sql`${column} >= ${value}`];
    return first.nullable ? [] : [sql`${column} <= ${value}`];
  }
}

function beyond(term: Term, column: Sql, value: SqlValue): Sql {
  if (term.ascending)
    return value === null ? sql`${column} IS NOT NULL` : sql`${column} > ${value}`;
  if (value === null) return FALSE;
  const below = sql`${column} < ${value}`;
  return term.nullable ? anyOf([below, sql`${column} IS NULL`]) : below;
}
