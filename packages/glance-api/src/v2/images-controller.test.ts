import { randomUUID } from 'node:crypto';
import request from 'supertest';
import { startTestApi, type TestApi } from '../testing/test-api';

const MEMBER = 'alice:demo:member,reader';
const OTHER = 'bob:other:member,reader';
const ADMIN = 'root:admin:admin';

describe('images of API v2', () => {
  let server: TestApi;

  beforeAll(async () => {
    server = await startTestApi();
  });

  afterAll(async () => {
    await server.close();
  });

  const as = (token: string) => request.agent(server.url).set('x-auth-token', token);
  const create = async (body: object, token = MEMBER) =>
    (await as(token).post('/v2/images').send(body).expect(201)).body;

  const countImages = async (): Promise<number> =>
    (await as(ADMIN).get('/v1/images?is_public=none').expect(200)).body.images.length;

  // §18 Create
  it('creates an image from an empty object', async () => {
    const answer = await as(MEMBER).post('/v2/images').send({}).expect(201);
    const { id } = answer.body;
    expect(answer.headers['content-type']).toBe('application/json');
    expect(answer.headers['location']).toBe(`${server.url}/v2/images/${id}`);
    expect(answer.body).toEqual({
      id,
      name: null,
      status: 'queued',
      visibility: 'shared',
      protected: false,
      os_hidden: false,
      checksum: null,
      os_hash_algo: null,
      os_hash_value: null,
      owner: 'demo',
      size: null,
      virtual_size: null,
      container_format: null,
      disk_format: null,
      min_ram: 0,
      min_disk: 0,
      tags: [],
      created_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/),
      updated_at: answer.body.created_at,
      self: `/v2/images/${id}`,
      file: `/v2/images/${id}/file`,
      schema: '/v2/schemas/image',
    });
    expect((await as(MEMBER).get(`/v2/images/${id}`).expect(200)).body).toEqual(answer.body);
  });

  // §18 Create
  it.each([
    ['no body', undefined, 400],
    ['a text', '"hello"', 400],
    ['a number', '123', 400],
    ['true', 'true', 400],
    ['a list', '[]', 400],
    ['broken JSON', '{"name": ', 400],
    ['a bad id', '{"id": "gabe"}', 400],
    ['direct_url', '{"direct_url": "http://x"}', 403],
    ['self', '{"self": "x"}', 403],
    ['file', '{"file": "x"}', 403],
    ['schema', '{"schema": "x"}', 403],
    ['stores', '{"stores": "x"}', 403],
    ['a reserved property', '{"os_glance_foo": "x"}', 403],
    ['deleted as text', '{"deleted": "x"}', 403],
    ['deleted as boolean', '{"deleted": false}', 400],
    ['locations', '{"locations": []}', 403],
    ['a status', '{"status": "active"}', 403],
    ['a hash', '{"os_hash_value": "ab"}', 403],
    ['a number as property', '{"key": 1}', 400],
    ['a list as property', '{"key": []}', 400],
    ['negative min_disk', '{"min_disk": -42}', 400],
    ['negative min_ram', '{"min_ram": -42}', 400],
    ['min_ram beyond the column', '{"min_ram": 2147483648}', 400],
    ['a fraction of min_ram', '{"min_ram": 1.5}', 400],
    ['min_ram null', '{"min_ram": null}', 400],
    ['an unknown disk format', '{"disk_format": "floppy"}', 400],
    ['an unknown container format', '{"container_format": "box"}', 400],
    ['protected as text', '{"protected": "true"}', 400],
    ['4-byte unicode', '{"name": "😀"}', 400],
    ['a property key of 256 characters', JSON.stringify({ ['k'.repeat(256)]: 'v' }), 400],
    ['a name of 256 characters', JSON.stringify({ name: 'n'.repeat(256) }), 400],
    ['public visibility', '{"visibility": "public"}', 403],
    ["somebody else's project", '{"owner": "other"}', 403],
    ['no owner', '{"owner": null}', 403],
    [
      'too many tags',
      JSON.stringify({ tags: Array.from({ length: 129 }, (_, index) => `t${index}`) }),
      413,
    ],
    [
      'too many properties',
      JSON.stringify(Object.fromEntries(Array.from({ length: 129 }, (_, i) => [`p${i}`, 'v']))),
      413,
    ],
  ])('refuses to create from %s', async (_what, body, status) => {
    const before = await countImages();
    const call = as(MEMBER).post('/v2/images').set('content-type', 'application/json');
    await (body === undefined ? call : call.send(body)).expect(status);
    expect(await countImages()).toBe(before);
  });

  it('keeps the id, the properties and each tag once', async () => {
    const id = randomUUID();
    const image = await create({ id, tags: ['sniff', 'sniff'], 'a/b': 'c', min_disk: 1.0 });
    expect(image).toMatchObject({ id, tags: ['sniff'], 'a/b': 'c', min_disk: 1 });
    await as(MEMBER).post('/v2/images').send({ id }).expect(409);
  });

  it('lets an admin create for another project', async () => {
    expect((await create({ owner: 'other', visibility: 'public' }, ADMIN)).owner).toBe('other');
    expect((await create({ owner: '' }, ADMIN)).owner).toBeNull();
  });

  it('hides what is not the caller’s', async () => {
    const { id } = await create({ visibility: 'private' });
    await as(OTHER).get(`/v2/images/${id}`).expect(404);
    await as(OTHER).delete(`/v2/images/${id}`).expect(404);
    await as(ADMIN).get(`/v2/images/${id}`).expect(200);
  });

  it('deletes, and then knows the image no more', async () => {
    const { id } = await create({ protected: false });
    const answer = await as(MEMBER).delete(`/v2/images/${id}`).expect(204);
    expect(answer.text).toBe('');
    await as(MEMBER).delete(`/v2/images/${id}`).expect(404);
    await as(ADMIN).get(`/v2/images/${id}`).expect(404);
  });

  it('keeps a protected image', async () => {
    const { id } = await create({ protected: true });
    const answer = await as(MEMBER).delete(`/v2/images/${id}`).expect(403);
    expect(answer.text).toContain(`Image ${id} is protected and cannot be deleted.`);
  });

  it.each(['get', 'delete'] as const)('takes no body with %s', async (method) => {
    const { id } = await create({});
    await as(MEMBER)[method](`/v2/images/${id}`).send({ a: 1 }).expect(400);
  });

  it('names the methods of a path', async () => {
    const { id } = await create({});
    const answer = await as(MEMBER).put(`/v2/images/${id}`).expect(405);
    expect(answer.headers['allow']).toBe('GET, PATCH, DELETE');
    expect((await as(MEMBER).head('/v2/images').expect(405)).headers['allow']).toBe('GET, POST');
    await as(MEMBER).get('/v2/images/').expect(404);
    await as(MEMBER).get(`/v2/images/${id}/`).expect(404);
    await as(MEMBER).get(`/v2/images/${id}.json`).expect(404);
  });
});
