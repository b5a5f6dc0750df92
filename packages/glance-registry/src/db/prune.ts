import type { Knex } from 'knex';
import { executeSql, sql, sqlText, type Sql } from './sql';

const CHUNK = 1000;

/**
 * Deletes up to a thousand rows that meet the condition: few enough for one short transaction.
 * @param table, key names of this program, never what came from outside.
 * @returns how many; fewer than a thousand when none is left.
 */
export async function pruneRows(
  connection: Knex,
  table: string,
  key: string,
  condition: Sql,
): Promise<number> {
  const [from, column] = [sqlText(table), sqlText(key)];
  return await executeSql(
    connection,
    // The inner table is there for MySQL, which takes no LIMIT right inside IN.
    sql`DELETE FROM ${from} WHERE ${column} IN (SELECT ${column} FROM (
      SELECT ${column} FROM ${from} WHERE ${condition} LIMIT ${sqlText(String(CHUNK))}) old)`,
  );
}

export function isLastChunk(pruned: number): boolean {
  return pruned < CHUNK;
}
