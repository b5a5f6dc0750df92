import { randomUUID } from 'node:crypto';
import request from 'supertest';
import { startTestApi, type TestApi } from '../testing/test-api';

const OWNER = 'alice:project-a:member,reader';
const STRANGER = 'carol:project-c:member,reader';
const ADMIN = 'root:admin:admin,member,reader';

describe('the cache of API v2', () => {
  let server: TestApi;
  let id: string;

  beforeAll(async () => {
    server = await startTestApi();
    id = (await as(OWNER).post('/v2/images').send({ visibility: 'private' }).expect(201)).body.id;
  });

  afterAll(async () => {
    await server.close();
  });

  const as = (token: string) =>
    request.agent(server.url).set({ 'x-auth-token': token, accept: 'text/plain' });

  // §18: cache disabled → 404 on all cache routes, but 403 if policy denies
  it.each([
    ['get', '/v2/cache'],
    ['delete', '/v2/cache'],
    ['post', '/v2/cache/clean'],
    ['post', '/v2/cache/prune'],
    ['get', '/v2/cache/nodes/any'],
    ['put', '/v2/cache/ID'],
    ['delete', '/v2/cache/ID'],
  ] as const)('is not there: %s %s', async (method, route) => {
    const url = route.replace('ID', id);
    const { text } = await as(ADMIN)[method](url).expect(404);
    expect(text).toContain('Caching via API is not supported at this site.');
    await as(OWNER)[method](url).expect(403);
  });

  it.each(['put', 'delete'] as const)(
    'hides images from %s as every route does',
    async (method) => {
      for (const [token, image] of [
        [STRANGER, id],
        [ADMIN, randomUUID()],
      ] as const) {
        const { text } = await as(token)[method](`/v2/cache/${image}`).expect(404);
        expect(text).toContain('No image found with ID');
      }
    },
  );

  it('takes clean and prune for no images', async () => {
    const { headers } = await as(ADMIN).put('/v2/cache/clean').expect(405);
    expect(headers['allow']).toBe('POST');
    expect((await as(ADMIN).get(`/v2/cache/${id}`).expect(405)).headers['allow']).toBe(
      'DELETE, PUT',
    );
  });
});
