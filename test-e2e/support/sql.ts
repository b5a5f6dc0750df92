import Database from 'libsql';
import { createConnection } from 'mysql2/promise';
import type { Deployment } from './deployment';

/** Whatever has a database. */
type WithDatabase = Pick<Deployment, 'databaseUrl'>;

type Row = Record<string, string | number | null>;

/** Looks into the database beside the services, as an operator would. */
export async function queryAll(deployment: WithDatabase, query: string): Promise<Row[]> {
  const { databaseUrl } = deployment;
  if (databaseUrl.startsWith('sqlite')) {
    const database = new Database(databaseUrl.replace('sqlite:///', ''));
    try {
      return database.prepare(query).all() as Row[];
    } finally {
      database.close();
    }
  }
  const connection = await createConnection(databaseUrl.replace('mysql+pymysql:', 'mysql:'));
  try {
    const [rows] = await connection.query(query);
    return rows as Row[];
  } finally {
    await connection.end();
  }
}

/** Changes the database behind the back of the services. */
export async function executeSql(deployment: WithDatabase, statement: string): Promise<void> {
  const { databaseUrl } = deployment;
  if (databaseUrl.startsWith('sqlite')) {
    const database = new Database(databaseUrl.replace('sqlite:///', ''));
    try {
      database.exec(statement);
    } finally {
      database.close();
    }
    return;
  }
  await queryAll(deployment, statement);
}

/** Every row of every table as JSON text, by the name of the table. */
export async function dumpTables(deployment: WithDatabase): Promise<Map<string, string>> {
  const tables = deployment.databaseUrl.startsWith('sqlite')
    ? "SELECT name FROM sqlite_master WHERE type = 'table'"
    : 'SELECT table_name AS name FROM information_schema.tables WHERE table_schema = DATABASE()';
  const dump = new Map<string, string>();
  for (const { name } of await queryAll(deployment, tables)) {
    const rows = await queryAll(deployment, `SELECT * FROM ${String(name)}`);
    dump.set(String(name), JSON.stringify(rows));
  }
  return dump;
}
