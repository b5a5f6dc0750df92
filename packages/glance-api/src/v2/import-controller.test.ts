import { mkdtemp, readdir, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import request from 'supertest';
import { startTestApi, type TestApi } from '../testing/test-api';

const OWNER = 'alice:a:member';
const READER = 'rita:a:reader';
const OCTETS = { 'content-type': 'application/octet-stream' };

/** Staging and imports in API v2 (api-v2 sheet §8.2, tasks sheet §4, §5); the rest is in test-e2e. */
describe('imports in API v2', () => {
  let server: TestApi;
  let directory: string;

  beforeAll(async () => {
    directory = await mkdtemp(path.join(os.tmpdir(), 'glance-staging-'));
    server = await startTestApi(
      `--node-staging-uri=file://${directory}/staging`,
      '--enabled-import-methods=[glance-direct,web-download,copy-image]',
      '--image-size-cap=1000',
      '--image-import-opts-image-import-plugins=[inject_image_metadata]',
      '--inject-metadata-properties-inject=site:north, os_glance_x:no',
      '--inject-metadata-properties-ignore-user-roles=curator',
    );
  });

  afterAll(async () => {
    await server.close();
    await rm(directory, { recursive: true });
  });

  const as = (token: string) => request.agent(server.url).set('x-auth-token', token);
  const create = async (image: object = { disk_format: 'raw', container_format: 'bare' }) =>
    (await as(OWNER).post('/v2/images').send(image).expect(201)).body.id as string;
  const stage = (id: string, data = 'data') =>
    as(OWNER).put(`/v2/images/${id}/stage`).set(OCTETS).send(data);
  const show = async (id: string) => (await as(OWNER).get(`/v2/images/${id}`).expect(200)).body;
  const direct = { method: { name: 'glance-direct' } };
  const importIt = (id: string, body: object = direct, token = OWNER) =>
    as(token).post(`/v2/images/${id}/import`).send(body);
  const ended = async (id: string) => {
    for (;;) {
      const { tasks } = (await as(OWNER).get(`/v2/images/${id}/tasks`).expect(200)).body;
      if (['success', 'failure'].includes(tasks.at(-1)?.status)) return tasks.at(-1);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  const stagedOf = async (id: string) =>
    (await readdir(path.join(directory, 'staging'), { recursive: true })).filter((name) =>
      name.includes(id),
    );
  /** It goes after the task has ended. */
  const stagedIsGone = async (id: string) => {
    while ((await stagedOf(id)).length > 0) await new Promise((resolve) => setTimeout(resolve, 20));
  };

  it('stage data, which nobody downloads, and import it once', async () => {
    const id = await create();
    await stage(id).expect(204, '');
    expect(await show(id)).toMatchObject({ status: 'uploading', size: 4 });
    expect(await show(id)).not.toHaveProperty('os_glance_stage_host');
    await as(OWNER).get(`/v2/images/${id}/file`).expect(204);
    await stage(id).expect(409);
    await as(OWNER).put(`/v2/images/${id}/file`).set(OCTETS).send('other').expect(409);
    await importIt(id).expect(202, '');
    expect(await ended(id)).toMatchObject({ status: 'success' });
    expect(await show(id)).toMatchObject({ status: 'active', size: 4, site: 'north' });
    expect(await show(id)).not.toHaveProperty('os_glance_x');
    const { body } = await as(OWNER).get(`/v2/images/${id}/file`).expect(200);
    expect(body.toString()).toBe('data');
    await importIt(id).expect(409);
    await stagedIsGone(id);
  });

  it('inject nothing into the images of those whose roles say so', async () => {
    const id = await create();
    await stage(id).expect(204);
    await importIt(id, direct, 'carl:a:member,curator').expect(202);
    await ended(id);
    expect(await show(id)).not.toHaveProperty('site');
  });

  it('stage without formats, and import only with them', async () => {
    const id = await create({});
    await stage(id).expect(204);
    await importIt(id).expect(409);
    expect(await show(id)).toMatchObject({ status: 'uploading' });
  });

  it('refuse data of another format than was said, at the import', async () => {
    const id = await create({ disk_format: 'qcow2', container_format: 'bare' });
    await stage(id, 'no qcow2').expect(204);
    await importIt(id).expect(202);
    const task = await ended(id);
    expect(task.status).toBe('failure');
    expect(task.message).toContain('qcow2');
    expect(await show(id)).toMatchObject({ status: 'queued', size: null });
    await stagedIsGone(id);
    await stage(id, 'again').expect(204);
  });

  it('refuse what they cannot stage, and leave the image queued', async () => {
    const id = await create();
    const put = (headers: Record<string, string>) =>
      as(OWNER).put(`/v2/images/${id}/stage`).set(headers);
    await put({ 'content-type': 'text/plain' }).send('data').expect(415);
    await put({ ...OCTETS, 'x-openstack-image-size': 'many' })
      .send('data')
      .expect(400);
    await put({ ...OCTETS, 'x-openstack-image-size': '5' })
      .send('data')
      .expect(400);
    await stage(id, 'x'.repeat(1001)).expect(413);
    await as(READER).put(`/v2/images/${id}/stage`).set(OCTETS).send('data').expect(403);
    await as('bob:b:member').put(`/v2/images/${id}/stage`).set(OCTETS).send('x').expect(404);
    await as(OWNER).get(`/v2/images/${id}/stage`).expect(405);
    expect(await show(id)).toMatchObject({ status: 'queued', size: null });
    expect(await stagedOf(id)).toEqual([]);
  });

  it('need no several stores but for what is about them', async () => {
    const id = await create();
    await stage(id).expect(204);
    await importIt(id, { ...direct, all_stores_must_succeed: false }).expect(400);
    // Store parameters mean nothing where there is one store.
    await importIt(id, { ...direct, stores: ['other'], all_stores: true }).expect(202);
    await ended(id);
    const copy = { method: { name: 'copy-image' } };
    await importIt(id, copy).expect(403);
    await importIt(id, copy, 'root:a:admin').expect(409);
  });

  it.each([
    [{}],
    [{ method: 'glance-direct' }],
    [{ method: {} }],
    [{ method: { name: 'glance-download' } }],
    [{ method: { name: 'web-download' } }],
    [{ ...direct, all_stores: 1 }],
    [{ ...direct, all_stores_must_succeed: 'no' }],
    [{ ...direct, stores: 'one' }],
    [{ ...direct, stores: ['one', 'one'] }],
  ])('are not asked for by %j', async (body) => {
    const id = await create();
    await importIt(id, body).expect(400);
  });

  it('are not there when they are not enabled', async () => {
    const other = await startTestApi('--enabled-import-methods=[]');
    try {
      const agent = () => request.agent(other.url).set('x-auth-token', OWNER);
      const created = await agent().post('/v2/images').send({}).expect(201);
      expect(created.headers).not.toHaveProperty('openstack-image-import-methods');
      const { id } = created.body;
      await agent().put(`/v2/images/${id}/stage`).send('x').expect(404);
      await agent().post(`/v2/images/${id}/import`).send(direct).expect(400);
      const { body } = await agent().get('/v2/info/import').expect(200);
      expect(body['import-methods'].value).toEqual([]);
    } finally {
      await other.close();
    }
  });

  it('stop the start for a plugin that would be missing', async () => {
    await expect(
      startTestApi('--image-import-opts-image-import-plugins=[image_polish]'),
    ).rejects.toThrow('image_polish');
  });
});
