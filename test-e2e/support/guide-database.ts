import { randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { createConnection } from 'mysql2/promise';
import { plantSecret } from './leak-gate';

/** The database `glance` of the guide, and its user, under names of their own on the server of the tests. */
export class GuideDatabase {
  private readonly server = new URL(process.env['TEST_MYSQL_URL']!);
  readonly name = `glance_guide_${randomBytes(4).toString('hex')}`;
  private readonly user = this.name;
  private readonly password = plantSecret('the password of the database');

  /** Writes `.my.cnf` of an administrator of the server. @returns the home directory */
  async writeHome(directory: string): Promise<string> {
    const { hostname, port, username, password } = this.server;
    await mkdir(directory, { recursive: true });
    await writeFile(
      path.join(directory, '.my.cnf'),
      `[client]\nhost=${hostname}\nport=${port || 3306}\nprotocol=tcp\nuser=${decodeURIComponent(username)}\npassword=${decodeURIComponent(password)}\n`,
      { mode: 0o600 },
    );
    return directory;
  }

  /** As SQLAlchemy writes it. */
  get url(): string {
    return `mysql+pymysql://${this.user}:${this.password}@${this.server.host}/${this.name}`;
  }

  /** What the guide calls all this. */
  get names(): [RegExp, string][] {
    return [
      [/mysql\+pymysql:\/\/glance:PASSWORD@db\.internal\/glance/g, this.url],
      [/'glance'@/g, `'${this.user}'@`],
      [/(?<=DATABASE |EXISTS |ON |--quick |mariadb )glance\b(?!-)/g, this.name],
      [/PASSWORD/g, this.password],
    ];
  }

  /** What the guide makes by hand, for a test that begins later. */
  async create(): Promise<void> {
    await this.run(`CREATE DATABASE ${this.name} CHARACTER SET utf8mb4`);
    await this.run(`CREATE USER '${this.user}'@'%' IDENTIFIED BY '${this.password}'`);
    await this.run(`GRANT ALL PRIVILEGES ON ${this.name}.* TO '${this.user}'@'%'`);
  }

  /** As its administrator. */
  async run(statement: string): Promise<void> {
    const connection = await createConnection({
      host: this.server.hostname,
      port: Number(this.server.port || 3306),
      user: decodeURIComponent(this.server.username),
      password: decodeURIComponent(this.server.password),
    });
    try {
      await connection.query(statement);
    } finally {
      await connection.end();
    }
  }

  async drop(): Promise<void> {
    await this.run(`DROP DATABASE IF EXISTS ${this.name}`);
    await this.run(`DROP USER IF EXISTS '${this.user}'@'%'`);
  }
}
