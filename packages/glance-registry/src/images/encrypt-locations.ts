import { failPoint } from '@glance/common';
import type { Knex } from 'knex';
import { executeSql, selectRows, sql, sqlText } from '../db/sql';
import type { TextCipher } from '../db/text-cipher';
import { IS_PLAIN } from './stored-urls';

const ROWS_PER_STATEMENT = 1000;

/**
 * Seals the URLs that are in the table from before there was a key, of deleted images too. A row that
 * somebody changes meanwhile is left to him: he seals it himself.
 * @returns how many
 */
export async function encryptLocations(
  connection: Knex,
  cipher: TextCipher,
  onProgress: (done: number) => void,
): Promise<number> {
  let done = 0;
  for (let after = 0; ;) {
    const rows = await selectRows<{ id: number; value: string }>(
      connection,
      sql`SELECT id, value FROM image_locations WHERE id > ${after} AND ${IS_PLAIN}
        ORDER BY id LIMIT ${sqlText(String(ROWS_PER_STATEMENT))}`,
    );
    for (const { id, value } of rows) {
      after = id;
      done += await executeSql(
        connection,
        sql`UPDATE image_locations SET value = ${cipher.seal(value)}
          WHERE id = ${id} AND value = ${value}`,
      );
      failPoint('location-sealed');
    }
    if (rows.length < ROWS_PER_STATEMENT) return done;
    onProgress(done);
  }
}
