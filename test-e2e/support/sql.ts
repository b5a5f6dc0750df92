import Database from 'libsql';
import { createConnection } from 'mysql2/promise';
import type { Deployment } from './deployment';

type Row = Record<string, string | number | null>;

/** Looks into the database beside the services, as an operator would. */
export async function queryAll(deployment: Deployment, query: string): Promise<Row[]> {
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
