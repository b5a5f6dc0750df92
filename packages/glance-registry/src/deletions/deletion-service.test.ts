import { SERVICE_IDENTITY } from '@glance/common';
import { ADMIN, RegistryWorld, aQuery, memberOf, outcomesOf } from '../testing/registry-world';
import { describeEachDatabase } from '../testing/test-databases';

const ME = memberOf('deleting-project');

interface ChildRow {
  deleted: number;
  deleted_at: string | null;
  status?: string;
}

describeEachDatabase('a deletion', (current) => {
  let world: RegistryWorld;

  beforeAll(() => {
    world = new RegistryWorld(current().database);
  });

  const children = async (id: string, table: string): Promise<ChildRow[]> =>
    (await world.database.knex(table).where({ image_id: id })) as ChildRow[];
  const imageRow = async (id: string): Promise<ChildRow> =>
    (await world.database.knex('images').where({ id }).first()) as ChildRow;
  const begin = (id: string, identity = ME, delayed = false) =>
    world.deletions.begin(id, { delayed }, identity, {});
  const rich = { properties: [['a', '1'] as const], tags: ['t'] };

  it('marks every row with the moment the image was deleted', async () => {
    const { id } = await world.createActive(rich, {}, ME);
    await world.share(id, 'friend');
    const plan = await begin(id);
    expect(plan.locations).toHaveLength(1);
    expect(plan.image).toMatchObject({ status: 'pending_delete', deleted: true, locations: [] });
    const { deleted_at: at } = await imageRow(id);
    expect(await children(id, 'image_locations')).toEqual([
      expect.objectContaining({ status: 'pending_delete', deleted: 1, deleted_at: at }),
    ]);
    // As upstream has them, which may go on from here.
    for (const table of ['image_properties', 'image_members', 'image_tags']) {
      expect(await children(id, table)).toEqual([
        expect.objectContaining({ deleted: 1, deleted_at: at }),
      ]);
    }
    const finished = await world.deletions.finish(id, ME, {});
    expect(finished).toMatchObject({ status: 'deleted', deleted: true });
    expect(await imageRow(id)).toMatchObject({ status: 'deleted', deleted: 1, deleted_at: at });
    for (const table of ['image_properties', 'image_members', 'image_tags', 'image_locations']) {
      expect(await children(id, table)).toEqual([
        expect.objectContaining({ deleted: 1, deleted_at: at }),
      ]);
    }
  });

  it('shows the data that is left to whoever has to remove it', async () => {
    const { id, locations } = await world.createActive({}, {}, ME);
    await begin(id);
    const query = aQuery({ scope: 'all', deleted: true, status: ['pending_delete'], id: [id] });
    const [image] = await world.images.list(query, SERVICE_IDENTITY, {});
    expect(image?.locations).toEqual([{ ...locations[0], status: 'pending_delete' }]);
    const seen = await world.images.list(aQuery({ deleted: 'any', id: [id] }), ME, {});
    expect(seen).toMatchObject([{ id, status: 'pending_delete', locations: [] }]);
    const finished = await world.deletions.finish(id, SERVICE_IDENTITY, {});
    expect(finished.locations).toEqual([]);
  });

  it('is over at once for an image without data', async () => {
    const { id } = await world.create(rich, ME);
    const plan = await begin(id);
    expect(plan).toMatchObject({ image: { status: 'deleted' }, locations: [] });
    expect(await children(id, 'image_properties')).toEqual([
      expect.objectContaining({ deleted: 1 }),
    ]);
  });

  it('brings everything back when it is reverted', async () => {
    const before = await world.createActive(rich, {}, ME);
    await world.share(before.id, 'friend');
    await begin(before.id);
    const after = await world.deletions.revert(before.id, ME, {});
    expect(after).toEqual({ ...before, updatedAt: after.updatedAt });
    expect(await world.images.get(before.id, memberOf('friend'), {})).toMatchObject({
      status: 'active',
    });
    expect(await imageRow(before.id)).toMatchObject({ deleted: 0, deleted_at: null });
    await begin(before.id);
    await world.deletions.finish(before.id, ME, {});
    await expect(world.deletions.revert(before.id, ME, {})).rejects.toMatchObject({
      code: 'conflict',
    });
  });

  it('brings nothing back that was removed in the very second of the deletion', async () => {
    const { id } = await world.createActive(rich, {}, ME);
    // Times have whole seconds, and the next one may begin meanwhile.
    const at = (seconds: number): string =>
      new Date(Date.now() + seconds * 1000).toISOString().slice(0, 19).replace('T', ' ');
    for (const moment of [at(0), at(1), at(2)]) {
      const removed = { image_id: id, created_at: moment, deleted: 1, deleted_at: moment };
      await world.database.knex('image_tags').insert({ ...removed, value: 'removed' });
      const name = `removed at ${moment}`;
      await world.database.knex('image_properties').insert({ ...removed, name, value: '' });
    }
    await begin(id, ME, true);
    await world.deletions.restore(id, SERVICE_IDENTITY, {});
    expect(await world.images.get(id, ME, {})).toMatchObject({
      tags: ['t'],
      properties: [['a', '1']],
    });
  });

  it('that upstream began is reverted only with data', async () => {
    const withData = await world.createActive({}, {}, ME);
    const without = await world.create({}, ME);
    const { knex } = world.database;
    for (const { id } of [withData, without]) {
      await knex('images').where({ id }).update({
        status: 'pending_delete',
        deleted: 1,
        deleted_at: '2020-01-01 00:00:01',
      });
    }
    await knex('image_locations').where({ image_id: withData.id }).update({
      status: 'pending_delete',
      deleted: 1,
      deleted_at: '2020-01-01 00:00:00',
    });
    const image = await world.deletions.revert(withData.id, ADMIN, {});
    expect(image.locations).toHaveLength(1);
    await expect(world.deletions.revert(without.id, ADMIN, {})).rejects.toMatchObject({
      code: 'conflict',
    });
    expect((await imageRow(without.id)).status).toBe('pending_delete');
  });

  it('that upstream began and scrubbed in part is not restored', async () => {
    const { id } = await world.createActive({}, {}, ME);
    const { knex } = world.database;
    const deleted = { status: 'pending_delete', deleted: 1, deleted_at: '2020-01-01 00:00:00' };
    await knex('images').where({ id }).update(deleted);
    await knex('image_locations').where({ image_id: id }).update(deleted);
    await knex('image_locations').insert({
      ...deleted,
      image_id: id,
      value: 'file:///gone',
      created_at: '2020-01-01 00:00:00',
      status: 'deleted',
      deleted_at: '2020-01-01 00:05:00',
    });
    await expect(world.deletions.restore(id, SERVICE_IDENTITY, {})).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringContaining('gone, at least in part'),
    });
  });

  it('that upstream began comes back with its children', async () => {
    const before = await world.createActive(rich, {}, ME);
    await world.share(before.id, 'friend');
    const { knex } = world.database;
    const deletedAt = (at: string) => ({ deleted: 1, deleted_at: at });
    const at = '2020-01-01 00:00:02';
    await knex('images')
      .where({ id: before.id })
      .update({ status: 'pending_delete', ...deletedAt(at) });
    for (const [table, moment] of [
      ['image_properties', '2020-01-01 00:00:01'],
      ['image_tags', at],
      ['image_members', at],
      ['image_locations', '2020-01-01 00:00:00'],
    ] as const) {
      await knex(table).where({ image_id: before.id }).update(deletedAt(moment));
    }
    await knex('image_locations')
      .update({ status: 'pending_delete' })
      .where({ image_id: before.id });
    // What its user had taken from it the year before.
    await knex('image_tags').insert({
      image_id: before.id,
      value: 'old',
      created_at: at,
      ...deletedAt('2019-01-01 00:00:00'),
    });
    const after = await world.deletions.restore(before.id, SERVICE_IDENTITY, {});
    expect(after).toEqual({ ...before, updatedAt: after.updatedAt });
    expect(await world.images.get(before.id, memberOf('friend'), {})).toMatchObject({
      status: 'active',
    });
  });

  it('succeeds once when it is asked for many times at once', async () => {
    const { id } = await world.createActive({}, {}, ME);
    const outcomes = await outcomesOf(Array.from({ length: 6 }, () => begin(id)));
    expect(outcomes.filter((outcome) => outcome === 'done')).toHaveLength(1);
    expect(outcomes.filter((outcome) => outcome === 'image_not_found')).toHaveLength(5);
    await expect(begin(id, ADMIN)).rejects.toMatchObject({ code: 'image_pending_delete' });
  });

  it('takes members along that have several rows', async () => {
    const { id } = await world.create({}, ME);
    await world.share(id, 'twice');
    await world.share(id, 'twice', 'pending');
    await world.share(id, 'once');
    await begin(id);
    const rows = await children(id, 'image_members');
    expect(rows.map(({ deleted }) => deleted)).toEqual([1, 1]);
  });

  it('hands out data that an image without status for it still has', async () => {
    const { id } = await world.createActive({}, {}, ME);
    await world.database.knex('images').where({ id }).update({ status: 'queued' });
    const plan = await begin(id);
    expect(plan).toMatchObject({ image: { status: 'deleted' }, locations: [{ status: 'active' }] });
    expect(await children(id, 'image_locations')).toEqual([
      expect.objectContaining({ status: 'pending_delete', deleted: 1 }),
    ]);
    await world.deletions.finish(id, ME, {});
    expect(await children(id, 'image_locations')).toEqual([
      expect.objectContaining({ status: 'deleted' }),
    ]);
  });
});
