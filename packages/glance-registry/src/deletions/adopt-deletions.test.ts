import { SERVICE_IDENTITY } from '@glance/common';
import { silentLogger } from '@glance/service-kit';
import { RemovalService } from '../removals/removal-service';
import { RegistryWorld, aCommit, memberOf } from '../testing/registry-world';
import { describeEachDatabase } from '../testing/test-databases';
import { adoptDeletions } from './adopt-deletions';

const PROJECT = 'of-upstream';
const ME = memberOf(PROJECT);
const LONG_AGO = '2020-01-01 00:00:00';
const DELETED = { deleted: 1, deleted_at: LONG_AGO };

/** What upstream's glance-api and glance-scrubber leave in the tables (lifecycle sheet §2, §3). */
describeEachDatabase('what upstream began to delete', (current) => {
  let world: RegistryWorld;
  let removals: RemovalService;

  beforeAll(() => {
    world = new RegistryWorld(current().database);
    removals = new RemovalService(world.transactions);
  });

  const knex = () => world.database.knex;
  const adopt = () => adoptDeletions(world.transactions, silentLogger);
  const waiting = async (imageId: string) =>
    await removals.list({ imageId, limit: 10 }, SERVICE_IDENTITY, {});
  const locationsOf = async (id: string) =>
    (await knex()('image_locations').where({ image_id: id }).orderBy('id')) as {
      id: number;
      status: string;
    }[];

  async function insertPending(imageId: string, value: string): Promise<number> {
    await knex()('image_locations').insert({
      image_id: imageId,
      value,
      meta_data: '{}',
      status: 'pending_delete',
      created_at: LONG_AGO,
      ...DELETED,
    });
    return (await locationsOf(imageId)).at(-1)!.id;
  }

  it('is an image that it had only called pending_delete', async () => {
    const { id } = await world.createActive({ tags: ['t'] }, {}, ME);
    await knex()('images').where({ id }).update({ status: 'pending_delete' });
    expect(await adopt()).toBe(1);
    await expect(world.images.get(id, ME, {})).rejects.toMatchObject({ code: 'image_not_found' });
    const request = { graceSeconds: 3600, scrubSeconds: 0, after: id.slice(0, -1) };
    const plan = await world.deletions.claim(request, SERVICE_IDENTITY, {});
    expect(plan).toMatchObject({ image: { id }, locations: [{ status: 'active' }] });
    await world.deletions.finish(id, SERVICE_IDENTITY, {});
    expect(await adopt()).toBe(0);
  });

  it('is a single location of an image that stays', async () => {
    const { id } = await world.createActive({}, aCommit({ sizeBytes: 7 }), ME);
    const locationId = await insertPending(id, 'file:///left-behind');
    expect(await waiting(id)).toEqual([]);
    expect(await adopt()).toBe(1);
    expect(await waiting(id)).toMatchObject([
      { location: { id: locationId }, isDelayed: true, begunAt: '2020-01-01T00:00:00' },
    ]);
    expect(await adopt()).toBe(0);
    const end = { outcome: 'gone' } as const;
    expect(await removals.end(id, locationId, end, SERVICE_IDENTITY, {})).toBe(true);
    expect(await world.images.get(id, ME, {})).toMatchObject({ status: 'active' });
  });

  it('is a single location of an image that is deleted', async () => {
    const { id } = await world.createActive({}, {}, ME);
    await knex()('images')
      .where({ id })
      .update({ status: 'deleted', ...DELETED });
    await knex()('image_locations')
      .where({ image_id: id })
      .update({ status: 'pending_delete', ...DELETED });
    expect(await adopt()).toBe(1);
    const [left] = await waiting(id);
    expect(left).toMatchObject({ imageId: id, location: { status: 'pending_delete' } });
    const end = { outcome: 'gone' } as const;
    expect(await removals.end(id, left!.location.id, end, SERVICE_IDENTITY, {})).toBe(true);
    expect(await locationsOf(id)).toMatchObject([{ status: 'deleted' }]);
  });

  it('is forgotten where the image counts on the data again', async () => {
    const before = await world.usageOf(PROJECT);
    const commit = aCommit({ sizeBytes: 11 });
    const { id } = await world.createActive({}, commit, ME);
    await insertPending(id, commit.location.url);
    await knex()('registry_quota_usage').where({ owner: PROJECT }).increment('used_bytes', 11);
    expect(await adopt()).toBe(1);
    expect(await waiting(id)).toEqual([]);
    expect((await locationsOf(id)).map(({ status }) => status)).toEqual(['active', 'deleted']);
    expect((await world.usageOf(PROJECT)).usedBytes).toBe(before.usedBytes + 11);
  });

  it('is what its own restoration left without data', async () => {
    const fields = { properties: [['os', 'linux'] as const], tags: ['t'] };
    const before = await world.createActive(fields, {}, ME);
    const { id } = before;
    await knex()('images').where({ id }).update({ deleted_at: LONG_AGO });
    for (const table of ['image_properties', 'image_tags', 'image_locations']) {
      await knex()(table).where({ image_id: id }).update(DELETED);
    }
    await knex()('image_locations').where({ image_id: id }).update({ status: 'pending_delete' });
    expect((await world.images.get(id, ME, {})).locations).toEqual([]);
    expect(await adopt()).toBe(1);
    const after = await world.images.get(id, ME, {});
    expect(after).toEqual({ ...before, updatedAt: after.updatedAt });
    expect(await waiting(id)).toEqual([]);
  });
});
