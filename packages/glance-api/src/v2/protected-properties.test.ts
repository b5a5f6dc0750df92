import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import request from 'supertest';
import { startTestApi, type TestApi } from '../testing/test-api';

const USER = 'alice:project-a:member';
const ADMIN = 'root:admin:admin';

const ADMIN_ONLY = 'create = admin\nread = admin\nupdate = admin\ndelete = admin\n';
const EVERYBODY = 'create = @\nread = @\nupdate = @\ndelete = @\n';
/** The strict rule stands before one that would allow everything. */
const PROTECTIONS = `[^licence_]\n${ADMIN_ONLY}\n[^drop_]\ncreate = @\nread = admin\nupdate = admin\ndelete = admin\n\n[.*]\n${EVERYBODY}`;

const PATCH = 'application/openstack-images-v2.1-json-patch';
const PATCH_2_0 = 'application/openstack-images-v2.0-json-patch';

describe('protected properties that a caller cannot read', () => {
  let server: TestApi;
  let directory: string;
  let id: string;

  beforeAll(async () => {
    directory = await mkdtemp(path.join(os.tmpdir(), 'glance-protected-'));
    const file = path.join(directory, 'props.conf');
    await writeFile(file, PROTECTIONS);
    server = await startTestApi(`--property-protection-file=${file}`);
  });

  afterAll(async () => {
    await server.close();
    await rm(directory, { recursive: true });
  });

  beforeEach(async () => {
    const body = { owner: 'project-a', visibility: 'private', licence_key: '4711', os: 'bsd' };
    id = (await as(ADMIN).post('/v2/images').send(body).expect(201)).body.id;
  });

  const as = (token: string) => request.agent(server.url).set('X-Auth-Token', token);

  const patch = (operations: object[], token = USER, type = PATCH) =>
    as(token).patch(`/v2/images/${id}`).set('content-type', type).send(JSON.stringify(operations));

  /** Everything, as an administrator sees it. */
  const stored = async (): Promise<Record<string, unknown>> =>
    (await as(ADMIN).get(`/v2/images/${id}`).expect(200)).body;

  it.each([
    ['PATCH', () => patch([{ op: 'replace', path: '/name', value: 'new' }]).expect(200)],
    ['PATCH of a property', () => patch([{ op: 'remove', path: '/os' }]).expect(200)],
    ['a tag', () => as(USER).put(`/v2/images/${id}/tags/t`).expect(204)],
    [
      'v1 PUT with purge',
      () => as(USER).put(`/v1/images/${id}`).set('x-image-meta-property-os', 'x').expect(200),
    ],
    ['v1 PUT with purge of everything', () => as(USER).put(`/v1/images/${id}`).expect(200)],
    [
      'v1 PUT without purge',
      () =>
        as(USER).put(`/v1/images/${id}`).set('x-glance-registry-purge-props', 'false').expect(200),
    ],
  ])('stay when he saves the image: %s', async (_how, save) => {
    const answer = await save();
    expect(answer.text).not.toContain('4711');
    expect(answer.text).not.toContain('licence_key');
    expect(await stored()).toMatchObject({ licence_key: '4711' });
  });

  it('OSSN-0013, OSSA-2026-023: are in no answer, and no filter finds them', async () => {
    const list = async (token: string, query: string): Promise<string[]> =>
      (await as(token).get(`/v2/images?${query}`).expect(200)).body.images.map(
        (image: { id: string }) => image.id,
      );
    const listV1 = async (token: string, query: string): Promise<string[]> =>
      (await as(token).get(`/v1/images?${query}`).expect(200)).body.images.map(
        (image: { id: string }) => image.id,
      );
    for (const url of [`/v2/images/${id}`, '/v2/images', '/v1/images/detail']) {
      expect((await as(USER).get(url).expect(200)).text).not.toMatch(/4711|licence_key/);
    }
    expect(await list(ADMIN, 'licence_key=4711')).toContain(id);
    expect(await list(USER, 'os=bsd')).toContain(id);
    expect(await listV1(USER, 'property-os=bsd')).toContain(id);
    for (const query of ['licence_key=4711', 'licence_key=0', 'licence_key=4711&os=bsd']) {
      expect(await list(USER, query)).toEqual([]);
    }
    expect(await listV1(USER, 'property-licence_key=4711')).toEqual([]);
    expect(await list(USER, `${'l'.repeat(3000)}=4711`)).toEqual([]);
    await as(USER).get('/v2/images?sort_key=licence_key').expect(400);
  });

  it('are refused and not told of where he names them', async () => {
    const absent = await patch([{ op: 'replace', path: '/licence_none', value: 'x' }]).expect(409);
    const unread = await patch([{ op: 'replace', path: '/licence_key', value: 'x' }]).expect(409);
    expect(unread.text).toBe(absent.text.replaceAll('licence_none', 'licence_key'));
    await patch([{ op: 'remove', path: '/licence_key' }]).expect(409);
    const add = await patch([{ op: 'add', path: '/licence_key', value: 'x' }]).expect(403);
    expect(add.text).toContain("Attribute 'licence_key' is reserved.");
    const create = { licence_key: 'mine' };
    await as(USER).post('/v2/images').send(create).expect(403);
    await as(USER).post('/v1/images').set('x-image-meta-property-licence_key', 'x').expect(403);
    expect(await stored()).toMatchObject({ licence_key: '4711' });
  });

  it('may be created by whom the file lets, and are not in the answer', async () => {
    const body = { drop_note: 'secret', os: 'bsd' };
    const created = await as(USER).post('/v2/images').send(body).expect(201);
    expect(created.body).toMatchObject({ os: 'bsd' });
    expect(created.text).not.toMatch(/drop_note|secret/);
    const byV1 = await as(USER)
      .post('/v1/images')
      .set('x-image-meta-property-drop_note', 'secret')
      .expect(201);
    expect(byV1.text).not.toMatch(/drop_note|secret/);
    for (const [type, operation] of [
      [PATCH, { op: 'add', path: '/drop_note', value: PATCH }],
      // Whether there is one is not to be found out by adding it.
      [PATCH_2_0, { add: '/drop_note', value: PATCH_2_0 }],
    ] as const) {
      const added = await patch([operation], USER, type).expect(200);
      expect(added.text).not.toContain('drop_note');
      expect(await stored()).toMatchObject({ drop_note: type });
    }
  });

  it.each([
    ['v2', () => patch([{ op: 'add', path: '/racing', value: 'mine' }])],
    ['v1', () => as(USER).put(`/v1/images/${id}`).set('x-image-meta-property-racing', 'mine')],
  ])('made by somebody else after the check of %s are not overwritten', async (_api, save) => {
    const update = server.registry.updateImage.bind(server.registry);
    const spy = jest.spyOn(server.registry, 'updateImage');
    spy.mockImplementationOnce(async (...args) => {
      const { properties } = await stored().then((image) => ({ properties: image }));
      expect(properties).not.toHaveProperty('racing');
      server.registry.overwrite(id, { properties: [['racing', 'theirs']] });
      return update(...args);
    });
    await save().expect(409);
    spy.mockRestore();
    expect(await stored()).toMatchObject({ racing: 'theirs' });
  });

  it.each([
    ['/owner', 'Owner of an image can only be changed by an admin'],
    ['/os_glance_import_task', "Attribute 'os_glance_import_task' is reserved"],
    ['/location', "Attribute 'location' is reserved"],
    ['/deleted', "Attribute 'deleted' is reserved"],
    ['/id', "Attribute 'id' is read-only"],
    ['/status', "Attribute 'status' is read-only"],
  ])('do not open fields of the image to a property: %s', async (pointer, reason) => {
    const before = await stored();
    for (const op of ['add', 'replace', 'remove']) {
      const answer = await patch([
        { op: 'replace', path: '/name', value: 'other' },
        op === 'remove' ? { op, path: pointer } : { op, path: pointer, value: 'project-b' },
      ]);
      expect([op, answer.status]).toEqual([op, 403]);
      if (op === 'add') expect(answer.text).toContain(reason);
    }
    expect(await stored()).toEqual(before);
  });

  describe('of the service itself', () => {
    const NOTE = ['os_glance_importing_to_stores', 'fast'] as const;

    it.each([
      ['post', 'os_glance_failed_import'],
      ['post', 'OS-Glance-Failed-Import'],
      ['put', 'os_glance_importing_to_stores'],
    ] as const)('v1 %s sets none: %s', async (method, name) => {
      const url = method === 'put' ? `/v1/images/${id}` : '/v1/images';
      const agent = as(ADMIN);
      const answer = await agent[method](url).set(`x-image-meta-property-${name}`, 'x').expect(403);
      expect(answer.text).toContain('is reserved');
    });

    it('are kept by a purge of v1 and count for no quota', async () => {
      const others = Array.from({ length: 128 }, (_, index): [string, string] => [
        `p${index}`,
        'v',
      ]);
      server.registry.overwrite(id, { properties: [...others, [...NOTE]] });
      await as(USER)
        .put(`/v1/images/${id}`)
        .set({ 'x-image-meta-property-p0': 'new', 'x-glance-registry-purge-props': 'false' })
        .expect(200);
      await as(USER).put(`/v1/images/${id}`).set('x-image-meta-property-p0', 'new').expect(200);
      const image = await stored();
      expect(image).toMatchObject({ [NOTE[0]]: NOTE[1], p0: 'new' });
      expect(image).not.toHaveProperty('p1');
    });
  });
});
