import { executeSql, selectRow, selectRows, sql, sqlText } from '../sql';
import type { Migration } from './migration';

const CHUNK = 1000;

/**
 * Upstream's Train data migration, for databases that skipped it: the store of a location is named
 * by the key `store`, before by `backend` (schema sheet §3).
 */
export const locationStoreKey: Migration = {
  name: '20261121000300-location-store-key',
  phase: 'migrate',

  async up({ connection, report }) {
    const last = await selectRow<{ id: number | null }>(
      connection,
      sqlText('SELECT MAX(id) AS id FROM image_locations'),
    );
    let rewritten = 0;
    for (let after = 0; after < (last?.id ?? 0); after += CHUNK) {
      const rows = await selectRows<{ id: number }>(
        connection,
        sql`SELECT id FROM image_locations WHERE id > ${after} AND id <= ${after + CHUNK}
          AND meta_data LIKE '%"backend":%'`,
      );
      for (const { id } of rows) {
        rewritten += await executeSql(
          connection,
          sql`UPDATE image_locations SET meta_data = REPLACE(meta_data, '"backend":', '"store":')
            WHERE id = ${id}`,
        );
      }
      if (rows.length > 0) report(`${rewritten} locations rewritten, up to row ${after + CHUNK}`);
    }
  },

  // Both keys are understood, by this program and by upstream: nothing to take back.
  down: () => Promise.resolve(),
};
