import { joinSql, sql, sqlText, type Sql } from '../db/sql';

export interface MetadefPage {
  table: 'metadef_namespaces' | 'metadef_objects' | 'metadef_properties' | 'metadef_tags';
  /** What rows are sorted by, never NULL: text of this program. */
  key: Sql;
  direction: 'asc' | 'desc';
  /** The page starts after this row. */
  markerId: number | undefined;
}

/** The key asked for, then created_at and id, so that the order is total (schema sheet §5.7). */
export function metadefOrder({ key, direction }: MetadefPage): Sql {
  const word = sqlText(direction === 'asc' ? 'ASC' : 'DESC');
  const columns = [key, sqlText('created_at'), sqlText('id')];
  return joinSql(
    columns.map((column) => sql`${column} ${word}`),
    ', ',
  );
}

/** What comes after the marker in that order. */
export function afterMarker({ table, key, direction, markerId }: MetadefPage): Sql | undefined {
  if (markerId === undefined) return undefined;
  const beyond = sqlText(direction === 'asc' ? '>' : '<');
  const at = (column: Sql): Sql =>
    sql`(SELECT ${column} FROM ${sqlText(table)} WHERE id = ${markerId})`;
  const createdAt = sqlText('created_at');
  return sql`(${key} ${beyond} ${at(key)} OR (${key} = ${at(key)}
    AND (${createdAt} ${beyond} ${at(createdAt)} OR (${createdAt} = ${at(createdAt)}
      AND id ${beyond} ${markerId}))))`;
}
