import { createDatabase } from './create-database';
import { describeEachDatabase } from '../testing/test-databases';
import { RegistryWorld } from '../testing/registry-world';

/** Security sheet §4, the driver: what it would run if a value or text got where it should not. */
describeEachDatabase('a connection', (current) => {
  it('takes an object for a value, never for SQL', async () => {
    const { knex } = current().database;
    const world = new RegistryWorld(current().database);
    const { id } = await world.create({ name: 'kept' });
    for (const value of [{ id }, { id: 1 }, { 'id = id OR 1': 1 }]) {
      const find = knex('images')
        .whereRaw('id = ?', [value as never])
        .select('id');
      expect(await Promise.resolve(find).catch(() => [])).toEqual([]);
    }
  });

  it('runs one statement at a time', async () => {
    const { knex } = current().database;
    const world = new RegistryWorld(current().database);
    await world.create({ name: 'kept' });
    await knex.raw('SELECT 1; DELETE FROM images').catch(() => undefined);
    expect(await knex('images').select('id')).not.toEqual([]);
  });

  it('changes nothing where it is only to look', async () => {
    const world = new RegistryWorld(current().database);
    await world.create({ name: 'kept' });
    const looking = createDatabase({ url: current().url, maxPoolSize: 1, readOnly: true });
    const statements = ['DELETE FROM images', 'CREATE TABLE of_mine (line TEXT)'];
    for (const statement of statements) {
      await expect(Promise.resolve(looking.knex.raw(statement))).rejects.toThrow(/read.?only/i);
    }
    expect(await looking.knex('images').select('name')).toContainEqual({ name: 'kept' });
    await looking.close();
  });

  it('sends no file of this machine', async () => {
    const { knex } = current().database;
    await knex.raw('CREATE TABLE lines_of_a_file (line TEXT)');
    const load = "LOAD DATA LOCAL INFILE '/etc/hostname' INTO TABLE lines_of_a_file";
    await expect(Promise.resolve(knex.raw(load))).rejects.toThrow();
    expect(await knex('lines_of_a_file').select('line')).toEqual([]);
  });
});
