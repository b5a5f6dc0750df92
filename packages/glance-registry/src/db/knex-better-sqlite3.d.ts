declare module 'knex/lib/dialects/better-sqlite3' {
  import type { Knex } from 'knex';

  /** What knex does not declare of its dialect class and this package overrides. */
  class Client extends Knex.Client {
    _driver(): unknown;
    _query(connection: unknown, statement: { sql?: string }): Promise<unknown>;
  }
  export = Client;
}
