import type { Knex } from 'knex';
import { executeSql, selectRows, sql, sqlText } from '../sql';

/** The revisions of the schema that this release creates (schema sheet §3). */
export const EXPAND_HEAD = '2024_1_expand01';
export const CONTRACT_HEAD = '2024_1_contract01';

const ADOPTABLE_RELEASES = 'queens rocky train ussuri wallaby xena yoga zed 2023_1 2024_1';

/** Every revision from Queens on: the databases that can be adopted as they are. */
export const ADOPTABLE_HEADS: ReadonlySet<string> = new Set(
  ADOPTABLE_RELEASES.split(' ').flatMap((release) =>
    ['expand', 'contract'].flatMap((branch) =>
      (release === 'rocky' ? ['01', '02'] : ['01']).map((step) => `${release}_${branch}${step}`),
    ),
  ),
);

export async function readAlembicHeads(connection: Knex): Promise<string[]> {
  if (!(await connection.schema.hasTable('alembic_version'))) return [];
  const rows = await selectRows<{ version_num: string }>(
    connection,
    sqlText('SELECT version_num FROM alembic_version ORDER BY version_num'),
  );
  return rows.map((row) => row.version_num);
}

export async function writeAlembicHeads(connection: Knex, heads: readonly string[]): Promise<void> {
  if (!(await connection.schema.hasTable('alembic_version'))) {
    await executeSql(
      connection,
      sqlText(
        'CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL, PRIMARY KEY (version_num))',
      ),
    );
  }
  for (const head of heads) {
    if ((await readAlembicHeads(connection)).includes(head)) continue;
    await executeSql(connection, sql`INSERT INTO alembic_version (version_num) VALUES (${head})`);
  }
  for (const head of await readAlembicHeads(connection)) {
    if (heads.includes(head)) continue;
    await executeSql(connection, sql`DELETE FROM alembic_version WHERE version_num = ${head}`);
  }
}
