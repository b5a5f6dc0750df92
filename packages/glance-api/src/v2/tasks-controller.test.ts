import { randomUUID } from 'node:crypto';
import request from 'supertest';
import { startTestApi, type TestApi } from '../testing/test-api';

const OWNER = 'alice:a:member';
const ADMIN = 'root:ops:admin';

/** Tasks in API v2 (tasks sheet §1), of imports that wait for their staged data. */
describe('tasks in API v2', () => {
  let server: TestApi;
  const ids: string[] = [];

  beforeAll(async () => {
    server = await startTestApi('--limit-param-default=2');
    for (let count = 0; count < 3; count += 1) ids.push(await begun());
  });

  afterAll(() => server.close());

  const as = (token: string) => request.agent(server.url).set('x-auth-token', token);
  const context = (projectId: string, isAdmin = false) => ({
    identity: { userId: 'u', projectId, roles: [], isAdmin, readOnly: false },
    requestId: 'req-1',
  });

  /** A task whose import nobody here can carry out: its data is in another node's area. */
  async function begun(): Promise<string> {
    const image = { disk_format: 'raw', container_format: 'bare' };
    const { id } = (await as(OWNER).post('/v2/images').send(image).expect(201)).body;
    const uploadId = randomUUID();
    const caller = context('a');
    await server.registry.beginUpload(
      id,
      {
        uploadId,
        node: 'elsewhere',
        failureStatus: 'queued',
        expectedSizeBytes: null,
        storageQuotaBytes: null,
        stage: true,
      },
      caller,
    );
    await server.registry.commitStaging(
      id,
      uploadId,
      {
        areaId: randomUUID(),
        node: 'elsewhere',
        url: 'file:///elsewhere',
        sizeBytes: 1,
        checksum: '0'.repeat(32),
        hashAlgorithm: 'sha512',
        hashValue: '0'.repeat(128),
      },
      caller,
    );
    const method = { name: 'glance-direct', uri: 'http://ignored.example/' };
    await as(OWNER).post(`/v2/images/${id}/import`).send({ method }).expect(202, '');
    const { body } = await as(OWNER).get(`/v2/images/${id}/tasks`).expect(200);
    expect(body.tasks).toHaveLength(1);
    return body.tasks[0].id;
  }

  it('are shown with what they do and for whom', async () => {
    const { body } = await as(ADMIN).get(`/v2/tasks/${ids[0]}`).expect(200);
    expect(body).toMatchObject({
      id: ids[0],
      type: 'api_image_import',
      status: 'pending',
      owner: 'a',
      message: '',
      result: null,
      input: { import_req: { method: { name: 'glance-direct' } }, backend: [null] },
      user_id: 'alice',
      self: `/v2/tasks/${ids[0]}`,
      schema: '/v2/schemas/task',
    });
    expect(body.request_id).toMatch(/^req-/);
    expect(body.created_at).toMatch(/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$/);
    expect(body).not.toHaveProperty('expires_at');
    expect(JSON.stringify(body.input)).not.toContain('ignored.example');
  });

  it('are listed page by page, without what only one of them shows', async () => {
    const first = await as(ADMIN).get('/v2/tasks').expect(200);
    expect(first.body).toMatchObject({ first: '/v2/tasks', schema: '/v2/schemas/tasks' });
    expect(first.body.tasks).toHaveLength(2);
    for (const name of ['input', 'result', 'message', 'image_id', 'request_id', 'user_id']) {
      expect(first.body.tasks[0]).not.toHaveProperty(name);
    }
    const second = await as(ADMIN).get(first.body.next).expect(200);
    expect(second.body.tasks).toHaveLength(1);
    expect(second.body).not.toHaveProperty('next');
    const seen = [...first.body.tasks, ...second.body.tasks].map(({ id }: { id: string }) => id);
    expect(seen.sort()).toEqual([...ids].sort());
  });

  it('are filtered by status and type', async () => {
    const count = async (query: string) =>
      (await as(ADMIN).get(`/v2/tasks?limit=9&${query}`).expect(200)).body.tasks.length;
    expect(await count('status=pending')).toBe(3);
    expect(await count('status=success')).toBe(0);
    expect(await count('type=import')).toBe(0);
  });

  it.each([
    'status=done',
    'type=cleaning',
    'limit=-1',
    'limit=x',
    'sort_key=input',
    'sort_dir=up',
    'marker=1',
    `marker=${randomUUID()}`,
  ])('are not listed by %s', async (query) => {
    await as(ADMIN).get(`/v2/tasks?${query}`).expect(400);
  });

  it('are for admins, and cannot be removed', async () => {
    await as(OWNER).get('/v2/tasks').expect(403);
    await as(OWNER).get('/v2/tasks?limit=x').expect(403);
    await as(OWNER).get(`/v2/tasks/${ids[0]}`).expect(403);
    await as(OWNER).delete(`/v2/tasks/${ids[0]}`).expect(403);
    const refused = await as(ADMIN).delete(`/v2/tasks/${ids[0]}`).expect(405);
    expect(refused.headers['allow']).toBe('GET');
    await as(ADMIN).get(`/v2/tasks/${randomUUID()}`).expect(404);
    await as(ADMIN).get('/v2/tasks/1').expect(404);
  });

  it('are shown with their image as the rows that they are', async () => {
    const { body: task } = await as(ADMIN).get(`/v2/tasks/${ids[1]}`).expect(200);
    const image = `/v2/images/${task.image_id}`;
    const { body } = await as(OWNER).get(`${image}/tasks`).expect(200);
    expect(body.tasks[0]).toMatchObject({ id: ids[1], deleted: false, deleted_at: null });
    expect(body.tasks[0].created_at).toMatch(/T\d{2}:\d{2}:\d{2}\.\d{6}$/);
    await as('bob:b:member').get(`${image}/tasks`).expect(404);
    await as(OWNER).delete(image).expect(204);
    const { body: ended } = await as(ADMIN).get(`/v2/tasks/${ids[1]}`).expect(200);
    expect(ended).toMatchObject({ status: 'failure', message: 'The image was deleted' });
    expect(ended).toHaveProperty('expires_at');
  });

  it('have schemas', async () => {
    const { body } = await as(OWNER).get('/v2/schemas/task').expect(200);
    expect(body.name).toBe('task');
    expect(Object.keys(body.properties)).toContain('image_id');
    expect((await as(OWNER).get('/v2/schemas/tasks').expect(200)).body.name).toBe('tasks');
  });
});
