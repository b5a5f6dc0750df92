import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import request from 'supertest';
import { memoryStores, type MemoryStores } from '../testing/memory-stores';
import { startTestApiWith, type TestApi } from '../testing/test-api';

const OWNER = 'alice:demo:member,reader';
const READER = 'rita:demo:reader';
const SHARED_WITH = 'bob:other:member,reader';
const ADMIN = 'root:admin:admin';
const DATA = Buffer.from('abc');

/** Who may send and read data (api-v2 sheet 13.2). */
describe('rules about data in API v2', () => {
  let server: TestApi;
  let store: MemoryStores;
  let directory: string;

  beforeAll(async () => {
    directory = await mkdtemp(path.join(os.tmpdir(), 'glance-policy-'));
    await rules({});
    store = await memoryStores(['one', 'two']);
    server = await startTestApiWith(
      { stores: store.stores },
      `--oslo-policy-policy-file=${path.join(directory, 'rules.yaml')}`,
    );
  });

  afterEach(() => rules({}));

  afterAll(async () => {
    await server.close();
    await store.stores.close();
    await rm(directory, { recursive: true });
  });

  const rules = (wanted: Record<string, string>): Promise<void> =>
    writeFile(path.join(directory, 'rules.yaml'), JSON.stringify(wanted));
  const as = (token: string) => request.agent(server.url).set('x-auth-token', token);
  const put = (id: string, token: string) =>
    as(token)
      .put(`/v2/images/${id}/file`)
      .set('content-type', 'application/octet-stream')
      .send(DATA);
  const get = (id: string, token: string, query = '') =>
    as(token).get(`/v2/images/${id}/file${query}`).buffer(true);

  async function create(): Promise<string> {
    const image = { disk_format: 'raw', container_format: 'bare', visibility: 'shared' };
    const { body } = await as(OWNER).post('/v2/images').send(image).expect(201);
    await as(OWNER).post(`/v2/images/${body.id}/members`).send({ member: 'other' }).expect(200);
    return body.id;
  }

  it('let the owner send, and those it is shared with read', async () => {
    const id = await create();
    await put(id, SHARED_WITH).expect(403);
    await put(id, READER).expect(403);
    const { body } = await as(OWNER).get(`/v2/images/${id}`).expect(200);
    expect(body).toMatchObject({ status: 'queued', size: null });
    await put(id, OWNER).expect(204);
    for (const token of [OWNER, SHARED_WITH, ADMIN]) {
      expect((await get(id, token).expect(200)).body).toEqual(DATA);
    }
    await get(id, READER).expect(403);
  });

  it.each(['upload_image', 'download_image'])('name %s when they refuse', async (action) => {
    const id = await create();
    await rules({ [action]: '!' });
    const answer = action === 'upload_image' ? await put(id, OWNER) : await get(id, OWNER);
    expect(answer.status).toBe(403);
    const text = Buffer.isBuffer(answer.body) ? answer.body.toString() : answer.text;
    expect(text).toContain(`You are not authorized to complete ${action} action.`);
  });

  it('decide who may name stores, before the names are looked at', async () => {
    const id = await create();
    await put(id, OWNER).expect(204);
    await rules({ download_from_store: '!' });
    await get(id, OWNER, '?prefer=one').expect(403);
    await get(id, OWNER, '?prefer=nowhere').expect(403);
    await get(id, OWNER, '?prefer=,').expect(200);
    await get(id, OWNER).expect(200);
  });
});
