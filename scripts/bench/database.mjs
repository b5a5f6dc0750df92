import { createConnection } from 'mysql2/promise';
import { startMariadb } from '../mariadb.mjs';
import { findProgram } from './processes.mjs';

export function mariadbMissing() {
  return findProgram('mariadbd') ? undefined : 'mariadb-server';
}

/** Durable, and with memory for the million images of the list rows. */
const AS_IN_PRODUCTION = [
  '--innodb-flush-log-at-trx-commit=1',
  '--innodb-buffer-pool-size=2G',
  '--innodb-log-file-size=1G',
];

/** A private MariaDB server that is thrown away at the end. */
export class DatabaseServer {
  #url;

  constructor(url) {
    this.#url = url;
  }

  static async start(resources) {
    const server = await startMariadb({ serverOptions: AS_IN_PRODUCTION });
    if (!server) throw new Error('mariadbd is installed but does not start');
    resources.own(server.stop);
    return new DatabaseServer(server.url);
  }

  async create(name) {
    const connection = await this.connect();
    await connection.query(`CREATE DATABASE ${name} CHARACTER SET utf8mb4`);
    await connection.end();
    const { username, password, host } = new URL(this.#url);
    return `mysql+pymysql://${username}:${password}@${host}/${name}?charset=utf8mb4`;
  }

  connect(database) {
    return createConnection({ uri: this.#url + (database ?? ''), multipleStatements: false });
  }
}
