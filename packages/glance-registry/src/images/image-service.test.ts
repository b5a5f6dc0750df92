import { randomUUID } from 'node:crypto';
import { ADMIN, RegistryWorld, aQuery, anUpload, memberOf } from '../testing/registry-world';
import { describeEachDatabase, notHere } from '../testing/test-databases';

interface PropertyRow {
  id: number;
  name: string;
  value: string | null;
  deleted: number;
  deleted_at: string | null;
}

describeEachDatabase('the image service', (current, dialect) => {
  let world: RegistryWorld;
  const onMysql = dialect === 'mysql' ? it : notHere;

  beforeAll(() => {
    world = new RegistryWorld(current().database);
  });

  const propertyRows = async (imageId: string): Promise<PropertyRow[]> =>
    (await world.database
      .knex('image_properties')
      .where({ image_id: imageId })
      .orderBy('id')) as PropertyRow[];

  const setProperties = (id: string, set: [string, string][], removeOthers = false) =>
    world.images.update(id, { properties: { set, removeOthers } }, ADMIN, {});

  it('revives a removed property in its own row, safe from a purge', async () => {
    const { id } = await world.create({ properties: [['os', 'linux']] });
    const removed = await setProperties(id, [], true);
    expect(removed.properties).toEqual([]);
    const [before] = await propertyRows(id);
    expect(before).toMatchObject({ deleted: 1, deleted_at: expect.any(String) });
    const revived = await setProperties(id, [['os', 'bsd']]);
    expect(revived.properties).toEqual([['os', 'bsd']]);
    expect(await propertyRows(id)).toEqual([
      expect.objectContaining({ id: before?.id, value: 'bsd', deleted: 0, deleted_at: null }),
    ]);
  });

  it('leaves rows alone that an update does not name', async () => {
    const { id } = await world.create({
      properties: [
        ['a', '1'],
        ['b', '2'],
        ['c', '3'],
      ],
    });
    const change = { set: [['b', 'two'] as const], removeOthers: true, keep: ['c'] };
    const image = await world.images.update(id, { properties: change }, ADMIN, {});
    expect(image.properties).toEqual([
      ['b', 'two'],
      ['c', '3'],
    ]);
  });

  onMysql('refuses property names that are one to the database', async () => {
    const twins = world.create({
      properties: [
        ['Os', '1'],
        ['oS', '2'],
      ],
    });
    await expect(twins).rejects.toMatchObject({ code: 'invalid_request' });
    const { id } = await world.create({ properties: [['Os', '1']] });
    await expect(setProperties(id, [['oS', '2']])).rejects.toMatchObject({
      code: 'invalid_request',
    });
    expect((await world.images.get(id, ADMIN, {})).properties).toEqual([['Os', '1']]);
  });

  onMysql('gives a replaced property the new spelling of its name', async () => {
    const { id } = await world.create({ properties: [['Os', '1']] });
    const image = await setProperties(id, [['oS', '2']], true);
    expect(image.properties).toEqual([['oS', '2']]);
  });

  it.each(["x'); DROP TABLE images; --", '`name`', '%s', 'a.b', '?', ' ', 'hasOwnProperty', 'id'])(
    'keeps the property name %s as it is',
    async (name) => {
      const { id } = await world.create({ properties: [[name, name]], tags: [name] });
      const image = await world.images.get(id, ADMIN, {});
      expect(image.properties).toEqual([[name, name]]);
      expect(image.tags).toEqual([name]);
    },
  );

  it('inserts tags anew that come back after they were removed', async () => {
    const { id } = await world.create({ tags: ['a', 'b'] });
    await world.images.update(id, { tags: ['b'] }, ADMIN, {});
    const image = await world.images.update(id, { tags: ['b', 'c', 'a', 'a'] }, ADMIN, {});
    expect(image.tags).toEqual(['b', 'c', 'a']);
    const rows = (await world.database.knex('image_tags').where({ image_id: id })) as unknown[];
    expect(rows).toHaveLength(4);
  });

  it('never uses an id again, not even one whose row was purged', async () => {
    const { id } = await world.create();
    await world.deletions.begin(id, { delayed: false }, ADMIN, {});
    await expect(world.create({ id })).rejects.toMatchObject({ code: 'image_exists' });
    await world.database.knex('images').where({ id }).delete();
    await expect(world.create({ id })).rejects.toMatchObject({
      code: 'image_exists',
      details: { imageId: id },
    });
  });

  it('creates one image when one id is asked for many times at once', async () => {
    const id = randomUUID();
    const calls = Array.from({ length: 8 }, () =>
      world.images.create({ image: { id }, upload: anUpload() }, memberOf('p'), {}),
    );
    const settled = await Promise.allSettled(calls);
    expect(settled.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    expect(await world.database.knex('registry_leases').where({ image_id: id })).toHaveLength(1);
  });

  it('finds one winner among updates that expect the same status', async () => {
    const { id } = await world.create();
    await world.begin(id);
    await expect(
      world.images.update(id, { fields: { name: 'x' }, ifStatus: ['queued'] }, ADMIN, {}),
    ).rejects.toMatchObject({ code: 'conflict' });
    expect((await world.images.get(id, ADMIN, {})).name).toBeNull();
  });

  it('loses no property when two updates of different ones meet', async () => {
    const { id } = await world.create();
    await Promise.all(
      Array.from({ length: 10 }, (_, index) => setProperties(id, [[`p${index}`, 'v']])),
    );
    const { properties } = await world.images.get(id, ADMIN, {});
    expect(properties.map(([name]) => name).sort()).toEqual(
      Array.from({ length: 10 }, (_, index) => `p${index}`),
    );
  });

  it('announces each change once, without its locations', async () => {
    const { id } = await world.createActive({ name: 'announced' });
    await world.images.update(id, { fields: { name: 'renamed' } }, ADMIN, {});
    await world.deletions.begin(id, { delayed: false }, ADMIN, {});
    const rows = (await world.database
      .knex('registry_outbox')
      .where({ image_id: id })
      .orderBy('id')) as { event: string; payload: string }[];
    expect(rows.map(({ event }) => event)).toEqual([
      'image.create',
      // The upload.
      'image.update',
      'image.prepare',
      'image.upload',
      'image.activate',
      'image.update',
      // The new name.
      'image.update',
      'image.delete',
    ]);
    for (const { payload } of rows) expect(payload).not.toMatch(/file:\/\//);
  });

  it('announces a change of the status, and nothing for an image that is so already', async () => {
    const { id } = await world.createActive();
    for (const status of ['active', 'deactivated', 'deactivated', 'active'] as const) {
      await world.images.setStatus(id, { status }, ADMIN, {});
    }
    const rows = (await world.database
      .knex('registry_outbox')
      .where({ image_id: id, event: 'image.update' })
      .orderBy('id')) as { payload: string }[];
    const afterUpload = rows.slice(2);
    const statuses = afterUpload.map(
      ({ payload }) => (JSON.parse(payload) as { status: string }).status,
    );
    expect(statuses).toEqual(['deactivated', 'active']);
  });

  it('deactivates an image or deletes it when both are asked at once', async () => {
    const { id } = await world.createActive();
    const [, deletion] = await Promise.allSettled([
      world.images.setStatus(id, { status: 'deactivated' }, ADMIN, {}),
      world.deletions.begin(id, { delayed: false }, ADMIN, {}),
    ]);
    expect(deletion.status).toBe('fulfilled');
    const { status } = await world.images.get(id, ADMIN, {});
    expect(status).toBe('pending_delete');
  });

  it('reads a row that upstream wrote without an update time or metadata', async () => {
    const id = randomUUID();
    await world.database.knex('images').insert({
      id,
      status: 'active',
      visibility: 'public',
      min_disk: 0,
      min_ram: 0,
      protected: 0,
      os_hidden: 0,
      deleted: 0,
      created_at: '2019-01-01 00:00:00',
      updated_at: null,
    });
    await world.database.knex('image_locations').insert({
      image_id: id,
      value: 'file:///x',
      meta_data: null,
      status: 'active',
      created_at: '2019-01-01 00:00:00',
      deleted: 0,
    });
    const [image] = await world.images.list(aQuery({ id: [id] }), ADMIN, {});
    expect(image).toMatchObject({
      updatedAt: '2019-01-01T00:00:00',
      locations: [{ url: 'file:///x', metadata: {} }],
    });
  });

  it('counts bytes exactly up to the largest safe integer', async () => {
    const { id } = await world.create({ sizeBytes: Number.MAX_SAFE_INTEGER });
    expect((await world.images.get(id, ADMIN, {})).sizeBytes).toBe(Number.MAX_SAFE_INTEGER);
  });
});
