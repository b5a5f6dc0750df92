import { randomUUID } from 'node:crypto';
import request from 'supertest';
import { startTestApi, type TestApi } from '../testing/test-api';

const OWNER = 'alice:project-a:member,reader';
const READER = 'rita:project-a:reader';
const STRANGER = 'carol:project-c:member,reader';
const ADMIN = 'root:admin:admin,member,reader';

describe('tags of API v2', () => {
  let server: TestApi;

  beforeAll(async () => {
    server = await startTestApi('--image-tag-quota=3');
  });

  afterAll(async () => {
    await server.close();
  });

  const as = (token: string) => request.agent(server.url).set('x-auth-token', token);
  async function created(image: object = {}, token = OWNER): Promise<string> {
    return (await as(token).post('/v2/images').send(image).expect(201)).body.id;
  }
  async function tags(id: string): Promise<string[]> {
    return (await as(ADMIN).get(`/v2/images/${id}`).expect(200)).body.tags.sort();
  }
  const put = (id: string, tag: string, token = OWNER) =>
    as(token).put(`/v2/images/${id}/tags/${tag}`);
  const remove = (id: string, tag: string, token = OWNER) =>
    as(token).delete(`/v2/images/${id}/tags/${tag}`);

  // §18 Members and tags
  it('are added once however often, and removed once', async () => {
    const id = await created({ tags: ['sniff'] });
    for (let round = 0; round < 2; round += 1) {
      expect((await put(id, 'snarf').expect(204)).text).toBe('');
      expect(await tags(id)).toEqual(['snarf', 'sniff']);
    }
    await remove(id, 'snarf').expect(204);
    await remove(id, 'snarf').expect(404);
    expect(await tags(id)).toEqual(['sniff']);
  });

  it('are the text that the path stands for', async () => {
    const id = await created();
    for (const tag of ['gabe%40example.com', '%E2%82%AC', 'a%20b']) await put(id, tag).expect(204);
    expect(await tags(id)).toEqual(['a b', 'gabe@example.com', '€']);
    await remove(id, 'gabe@example.com').expect(204);
    await remove(id, '%E2%82%AC').expect(204);
    expect(await tags(id)).toEqual(['a b']);
  });

  it.each([
    ['300 characters', 'x'.repeat(300), 400],
    ['4-byte unicode', '%F0%9F%98%80', 400],
    ['a NUL', 'a%00b', 400],
    ['no UTF-8', '%FF', 400],
    ['half an escape', '100%', 400],
    ['an encoded slash', 'a%2Fb', 404],
    ['a slash', 'a/b', 404],
    ['nothing', '', 404],
  ])('are not of %s', async (_what, tag, status) => {
    const id = await created();
    await put(id, tag).expect(status);
    expect(await tags(id)).toEqual([]);
  });

  it('may have 255 characters, and no more than the quota are there', async () => {
    const id = await created();
    for (const tag of ['a', 'b', 'x'.repeat(255)]) await put(id, tag).expect(204);
    await put(id, 'd').expect(413);
    await put(id, 'a').expect(204);
    expect(await tags(id)).toHaveLength(3);
  });

  it('are changed by those only who may change the image', async () => {
    const own = await created({ tags: ['t'] });
    const open = await created({ tags: ['t'], visibility: 'public' }, ADMIN);
    for (const change of [put, remove]) {
      await change(own, 't', READER).expect(403);
      await change(own, 't', STRANGER).expect(404);
      await change(open, 't', STRANGER).expect(403);
      await change(randomUUID(), 't').expect(404);
      await change('gabe', 't').expect(404);
    }
    expect([await tags(own), await tags(open)]).toEqual([['t'], ['t']]);
  });

  it('take no body and no other methods', async () => {
    const id = await created();
    await put(id, 't').send({}).expect(400);
    await remove(id, 't').send({}).expect(400);
    const { headers } = await as(OWNER).get(`/v2/images/${id}/tags/t`).expect(405);
    expect(headers['allow']).toBe('PUT, DELETE');
  });
});
