import { randomUUID } from 'node:crypto';
import request from 'supertest';
import { startTestApi, type TestApi } from '../testing/test-api';

const OWNER = 'alice:project-a:member,reader';
const READER = 'rita:project-a:reader';
const STRANGER = 'carol:project-c:member,reader';
const ADMIN = 'root:admin:admin,member,reader';

describe('actions of API v2', () => {
  let server: TestApi;

  beforeAll(async () => {
    server = await startTestApi();
  });

  afterAll(async () => {
    await server.close();
  });

  const as = (token: string) =>
    request.agent(server.url).set({ 'x-auth-token': token, accept: 'text/plain' });
  const act = (id: string, action: string, token = OWNER) =>
    as(token).post(`/v2/images/${id}/actions/${action}`);
  async function uploaded(isPublic = false): Promise<string> {
    const answer = await as(isPublic ? ADMIN : OWNER)
      .post('/v1/images')
      .set({
        'content-type': 'application/octet-stream',
        'x-image-meta-disk-format': 'raw',
        'x-image-meta-container-format': 'bare',
        'x-image-meta-is-public': String(isPublic),
      })
      .send(Buffer.from('data'))
      .expect(201);
    return answer.body.image.id;
  }
  const statusOf = async (id: string): Promise<string> =>
    (await as(ADMIN).get(`/v2/images/${id}`).expect(200)).body.status;

  // §18 Data
  it('take an image out of use and back into it, and may be repeated', async () => {
    const id = await uploaded();
    await act(id, 'reactivate').expect(204);
    expect(await statusOf(id)).toBe('active');
    for (let round = 0; round < 2; round += 1) {
      expect((await act(id, 'deactivate').expect(204)).text).toBe('');
      expect(await statusOf(id)).toBe('deactivated');
    }
    await as(OWNER).get(`/v1/images/${id}`).expect(403);
    for (let round = 0; round < 2; round += 1) {
      await act(id, 'reactivate').expect(204);
      expect(await statusOf(id)).toBe('active');
    }
    await as(OWNER).get(`/v1/images/${id}`).expect(200);
  });

  it.each(['deactivate', 'reactivate'])('refuse to %s an image without data', async (action) => {
    const { id } = (await as(OWNER).post('/v2/images').send({}).expect(201)).body;
    const { text } = await act(id, action).expect(403);
    expect(text).toContain(`Not allowed to ${action} image in status 'queued'`);
    expect(await statusOf(id)).toBe('queued');
  });

  it.each(['deactivate', 'reactivate'])('are the owner’s and the admin’s: %s', async (action) => {
    const own = await uploaded();
    const open = await uploaded(true);
    await act(own, action, READER).expect(403);
    await act(own, action, STRANGER).expect(404);
    await act(open, action, STRANGER).expect(403);
    await act(randomUUID(), action).expect(404);
    expect([await statusOf(own), await statusOf(open)]).toEqual(['active', 'active']);
    await act(own, action, ADMIN).expect(204);
  });

  it('take no body and no other methods', async () => {
    const id = await uploaded();
    await act(id, 'deactivate').send({}).expect(400);
    expect(await statusOf(id)).toBe('active');
    const { headers } = await as(OWNER).get(`/v2/images/${id}/actions/deactivate`).expect(405);
    expect(headers['allow']).toBe('POST');
    await act(id, 'destroy').expect(404);
  });
});
