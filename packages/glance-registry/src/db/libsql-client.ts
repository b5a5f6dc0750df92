import BetterSqlite3Client from 'knex/lib/dialects/better-sqlite3';
import type { Knex } from 'knex';
import Libsql from 'libsql';

export interface LibsqlSettings {
  filename: string;
  busyTimeoutMs: number;
}

/**
 * knex's better-sqlite3 dialect on libsql, a drop-in driver that installs without a compiler.
 * Transactions take the write lock when they begin, so that none fails half-way for want of it.
 */
class LibsqlClient extends BetterSqlite3Client {
  override _driver(): unknown {
    return Libsql;
  }

  override acquireRawConnection(): Promise<Libsql.Database> {
    const { filename, busyTimeoutMs } = this.connectionSettings as LibsqlSettings;
    const connection = new Libsql(filename, { timeout: busyTimeoutMs });
    try {
      connection.exec('PRAGMA journal_mode = WAL');
      connection.exec('PRAGMA synchronous = FULL');
      connection.exec('PRAGMA foreign_keys = ON');
    } catch (error) {
      connection.close();
      throw error;
    }
    return Promise.resolve(connection);
  }

  override async _query(
    connection: Libsql.Database,
    statement: { sql?: string; response?: unknown },
  ): Promise<unknown> {
    if (statement.sql !== 'BEGIN;') return await super._query(connection, statement);
    // Not prepared: a prepared BEGIN that finds the database locked stays "in progress" and would
    // make every later COMMIT of the connection fail.
    connection.exec('BEGIN IMMEDIATE');
    statement.response = [];
    return statement;
  }
}

export const libsqlClient: typeof Knex.Client = LibsqlClient;
