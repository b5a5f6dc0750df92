import type { Knex } from 'knex';
import type { Dialect } from '../db/dialect';
import { executeSql, sql } from '../db/sql';

/** Rows of `registry_sweeps`. */
export class SweepRepository {
  constructor(
    private readonly connection: Knex,
    private readonly dialect: Dialect,
  ) {}

  /** @returns whether the last claim was an interval ago, or there was none. */
  async claim(name: string, intervalSeconds: number): Promise<boolean> {
    const { now } = this.dialect;
    const matched = await executeSql(
      this.connection,
      sql`UPDATE registry_sweeps SET claimed_at = ${now}
        WHERE name = ${name} AND claimed_at <= ${this.dialect.secondsFromNow(-intervalSeconds)}`,
    );
    if (matched === 1) return true;
    try {
      await executeSql(
        this.connection,
        sql`INSERT INTO registry_sweeps (name, claimed_at) VALUES (${name}, ${now})`,
      );
      return true;
    } catch (error) {
      if (this.dialect.classify(error) !== 'duplicate') throw error;
      return false;
    }
  }
}
