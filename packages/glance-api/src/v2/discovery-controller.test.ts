import { randomUUID } from 'node:crypto';
import request from 'supertest';
import { startTestApi, type TestApi } from '../testing/test-api';

const MEMBER = 'alice:demo:member,reader';
const OTHER = 'bob:other:member,reader';

describe('what a site tells of itself in API v2', () => {
  let server: TestApi;

  beforeAll(async () => {
    server = await startTestApi();
  });

  afterAll(async () => {
    await server.close();
  });

  const as = (token: string) => request.agent(server.url).set('x-auth-token', token);

  it('names its methods of import', async () => {
    const answer = await as(MEMBER).get('/v2/info/import').expect(200);
    expect(answer.headers['content-type']).toBe('application/json');
    const value = ['glance-direct', 'copy-image'];
    expect(answer.body).toEqual({
      'import-methods': { description: expect.any(String), type: 'array', value },
    });
    const created = await as(MEMBER).post('/v2/images').send({}).expect(201);
    expect(created.headers).toMatchObject({ 'openstack-image-import-methods': value.join(',') });
    await as(MEMBER).put('/v2/info/import').expect(405);
  });

  it('has no limits to tell the usage of', async () => {
    const { body } = await as(MEMBER).get('/v2/info/usage').send({}).expect(200);
    expect(body).toEqual({ usage: {} });
    await as(MEMBER).post('/v2/info/usage').expect(404);
    await as(MEMBER).head('/v2/info/usage').expect(404);
  });

  it('knows no tasks of an image', async () => {
    const { id } = (await as(MEMBER).post('/v2/images').send({}).expect(201)).body;
    const tasks = `/v2/images/${id}/tasks`;
    expect((await as(MEMBER).get(tasks).expect(200)).body).toEqual({ tasks: [] });
    await as(OTHER).get(tasks).expect(404);
    await as(MEMBER).get(`/v2/images/${randomUUID()}/tasks`).expect(404);
    await as(MEMBER).post(tasks).expect(404);
    await as(MEMBER).head(tasks).expect(404);
  });

  it('tells nothing without credentials', async () => {
    await request(server.url).get('/v2/info/import').expect(401);
  });
});
