import { describeEachDatabase } from '../testing/test-databases';
import { migrateDown, migrateUp, pendingMigrations } from './migrator';

describeEachDatabase(
  'the migrations',
  (current) => {
    it('run up, down and up again', async () => {
      const { database } = current();
      await migrateUp(database, () => undefined);
      expect(await pendingMigrations(database.knex)).toEqual([]);
      await migrateDown(database, () => undefined);
      expect(await database.knex.schema.hasTable('images')).toBe(false);
      await migrateUp(database, () => undefined);
      expect(await pendingMigrations(database.knex)).toEqual([]);
    }, 60_000);
  },
  { migrate: false },
);
