import { randomUUID } from 'node:crypto';
import { SERVICE_IDENTITY } from '@glance/common';
import { RegistryWorld, aCommit } from '../testing/registry-world';
import { describeEachDatabase } from '../testing/test-databases';

describeEachDatabase('the judgement of blobs', (current) => {
  let world: RegistryWorld;

  beforeAll(() => {
    world = new RegistryWorld(current().database);
  });

  const judge = (names: string[], confirmAfterSeconds = 0) =>
    world.blobs.judge(
      {
        storeId: 'file',
        confirmAfterSeconds,
        blobs: names.map((name) => ({ name, locationUrl: `file:///new/images/${name}` })),
      },
      SERVICE_IDENTITY,
      {},
    );
  const unowned = async (...names: string[]) => (await judge(names)).map(({ name }) => name);
  const setLocation = (imageId: string, columns: object) =>
    current().database.knex('image_locations').where({ image_id: imageId }).update(columns);

  /** An active image with its blob under the plain name. */
  async function stored(): Promise<string> {
    const { id } = await world.createActive();
    await setLocation(id, { value: `file:///new/images/${id}` });
    return id;
  }

  it.each([
    ['another directory', (id: string) => `file:///old/images/${id}`],
    ['another scheme', (id: string) => `filesystem:///new/images/${id}`],
    ['doubled slashes', (id: string) => `file:////new//images//${id}`],
    ['a snapshot behind it', (id: string) => `rbd://another/images/${id}/snap`],
    ['no cluster', (id: string) => `rbd://${id}`],
    ['another address before a colon', (id: string) => `sheepdog://10.0.0.1:7000:${id}`],
    ['upper case', (id: string) => `file:///new/images/${id.toUpperCase()}`],
    ['encryption', () => 'TJk3Uq0vYpZc5b8d1n+/fWQ=='],
  ])('knows the owner through %s', async (_, spelled) => {
    const id = await stored();
    await setLocation(id, { value: spelled(id) });
    expect(await unowned(id)).toEqual([]);
  });

  it.each([
    ['active', { status: 'active', deleted: 0 }, true],
    ['waiting to be removed', { status: 'pending_delete', deleted: 1 }, true],
    ['marked by half', { status: 'active', deleted: 1 }, true],
    ['deleted', { status: 'deleted', deleted: 1 }, false],
  ])('goes by a location that is %s', async (_, columns, owned) => {
    const id = await stored();
    await setLocation(id, columns);
    expect(await unowned(id)).toEqual(owned ? [] : [id]);
  });

  it('waits for a lease that ran out until it was rolled back', async () => {
    const { id } = await world.create();
    const uploadId = await world.begin(id);
    await world.letLeasesRunOut();
    expect(await unowned(id)).toEqual([]);
    const reason = { reason: 'test', locationUrl: null };
    await world.uploads.abandon(id, uploadId, reason, SERVICE_IDENTITY, {});
    expect(await unowned(id)).toEqual([id]);
  });

  it.each(['saving', 'uploading', 'importing'])(
    'waits for an upload of upstream, which has no lease: %s',
    async (status) => {
      const { id } = await world.create();
      await current().database.knex('images').where({ id }).update({ status });
      expect(await unowned(id)).toEqual([]);
      await current().database.knex('images').where({ id }).update({ deleted: 1 });
      expect(await unowned(id)).toEqual([id]);
    },
  );

  it('goes by the clock of the database', async () => {
    const name = randomUUID();
    const seen = (at: string) =>
      current().database.knex('registry_orphans').where({ name }).update({ first_seen_at: at });
    await judge([name], 3600);
    await seen('2999-01-01 00:00:00');
    expect(await judge([name], 0)).toEqual([
      { name, firstSeenAt: '2999-01-01T00:00:00', isOrphan: false },
    ]);
    await seen('2020-01-01 00:00:00');
    expect(await judge([name], 3600)).toEqual([
      { name, firstSeenAt: '2020-01-01T00:00:00', isOrphan: true },
    ]);
  });

  it('tells two uploads of one image apart', async () => {
    const { id } = await world.create();
    const uploadId = await world.begin(id);
    const location = { url: `file:///new/images/${id}.${uploadId}`, metadata: {} };
    await world.uploads.commit(id, uploadId, aCommit({ location }), SERVICE_IDENTITY, {});
    const earlier = `${id}.${randomUUID()}`;
    expect((await unowned(id, `${id}.${uploadId}`, earlier)).sort()).toEqual([id, earlier].sort());
  });

  it('takes a full batch, many of them at once', async () => {
    const owned = await stored();
    const names = [owned, ...Array.from({ length: 199 }, () => randomUUID())];
    const answers = await Promise.all(Array.from({ length: 4 }, () => judge([...names].reverse())));
    for (const answer of answers) expect(answer).toHaveLength(199);
    expect(await current().database.knex('registry_orphans').whereIn('name', names)).toHaveLength(
      199,
    );
  });
});
