import { closeSync, existsSync, openSync, readSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import BetterSqlite3Client from 'knex/lib/dialects/better-sqlite3';
import type { Knex } from 'knex';
import Libsql from 'libsql';

export interface LibsqlSettings {
  filename: string;
  busyTimeoutMs: number;
  /** Nothing is written, and a file that is not there is not made. */
  readOnly: boolean;
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
    const { filename, busyTimeoutMs, readOnly } = this.connectionSettings as LibsqlSettings;
    const target = readOnly ? readOnlyUri(filename) : filename;
    const connection = new Libsql(target, { timeout: busyTimeoutMs });
    try {
      if (readOnly) return Promise.resolve(connection);
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

/**
 * The driver has options "readonly" and "fileMustExist" and heeds neither; SQLite heeds its URI. A
 * file with a write-ahead log that nobody has open is read as one that nobody changes: else the files
 * of the log would be made beside it, and stay.
 * @throws Error when there is no such file.
 */
function readOnlyUri(filename: string): string {
  if (!existsSync(filename)) throw new Error(`there is no file ${filename}`);
  const isAtRest = hasWriteAheadLog(filename) && !existsSync(`${filename}-wal`);
  return `${pathToFileURL(path.resolve(filename)).href}?mode=ro${isAtRest ? '&immutable=1' : ''}`;
}

/** The file format versions for writing and reading, bytes 18 and 19 of the header, are 2 then. */
function hasWriteAheadLog(filename: string): boolean {
  const header = Buffer.alloc(20);
  const file = openSync(filename, 'r');
  try {
    readSync(file, header, 0, header.length, 0);
  } finally {
    closeSync(file);
  }
  return header[18] === 2 && header[19] === 2;
}

export const libsqlClient: typeof Knex.Client = LibsqlClient;
