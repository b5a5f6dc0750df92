import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import request from 'supertest';
import type { CopyRequest } from '@glance/stores';
import { memoryStores } from '../testing/memory-stores';
import { startTestApi, startTestApiWith, type TestApi } from '../testing/test-api';

const ADMIN = 'root:ops:admin,member,reader';
const MEMBER = 'alice:a:member,reader';
const OCTETS = { 'content-type': 'application/octet-stream' };
const RAW = { disk_format: 'raw', container_format: 'bare' };
const DATA = Buffer.from('data of an image '.repeat(5000));

/** Tasks that administrators make (tasks sheet §1, §3). */
describe('tasks made in API v2', () => {
  let server: TestApi;
  let directory: string;
  let web: Server;
  let webPort: number;

  beforeAll(async () => {
    directory = await mkdtemp(path.join(os.tmpdir(), 'glance-tasks-'));
    web = createServer((req, res) => {
      if (req.url === '/disk') res.end(DATA);
      else res.writeHead(404).end();
    });
    await new Promise<void>((resolve) => web.listen(0, '127.0.0.1', resolve));
    webPort = (web.address() as AddressInfo).port;
    server = await startTestApi(
      `--node-staging-uri=file://${directory}/staging`,
      '--enabled-import-methods=[web-download]',
      `--task-export-dir=${directory}/exports`,
      `--import-filtering-opts-allowed-ports=80,${webPort}`,
      '--glance-store-http-store-allowed-networks=127.0.0.0/8',
      `--glance-store-http-store-allowed-ports=${webPort}`,
    );
  });

  afterAll(async () => {
    await server.close();
    await new Promise((resolve) => web.close(resolve));
    await rm(directory, { recursive: true });
  });

  const as = (token = ADMIN) => request.agent(server.url).set('x-auth-token', token);
  const post = (body: object, token = ADMIN) => as(token).post('/v2/tasks').send(body);
  const begun = async (type: string, input: object): Promise<string> => {
    const { body, headers } = await post({ type, input }).expect(201);
    expect(headers['location']).toBe(`${server.url}/v2/tasks/${body.id}`);
    expect(body).toMatchObject({ type, owner: 'ops', self: `/v2/tasks/${body.id}` });
    return body.id;
  };
  const ended = async (id: string) => {
    for (;;) {
      const { body } = await as().get(`/v2/tasks/${id}`).expect(200);
      if (['success', 'failure'].includes(body.status)) return body;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  const show = async (id: string) => (await as().get(`/v2/images/${id}`).expect(200)).body;
  const dataOf = async (id: string): Promise<Buffer> =>
    (await as().get(`/v2/images/${id}/file`).expect(200)).body;
  const created = async (more: object = {}, data = DATA): Promise<string> => {
    const { id } = (
      await as()
        .post('/v2/images')
        .send({ ...RAW, ...more })
        .expect(201)
    ).body;
    await as().put(`/v2/images/${id}/file`).set(OCTETS).send(data).expect(204);
    return id;
  };
  const importOf = (file: string, more: object = {}) => ({
    import_from: `http://127.0.0.1:${webPort}/${file}`,
    import_from_format: 'raw',
    image_properties: { ...RAW, name: 'imported', os_type: 'linux' },
    ...more,
  });

  it('import a URL into a new image', async () => {
    const task = await ended(await begun('import', importOf('disk')));
    expect(task).toMatchObject({ status: 'success', message: '' });
    const { image_id: id } = task.result;
    expect(task.input).toMatchObject({ ...importOf('disk'), image_id: id });
    expect(await show(id)).toMatchObject({
      ...{ status: 'active', name: 'imported', os_type: 'linux', owner: 'ops' },
      ...{ size: DATA.length, disk_format: 'raw' },
    });
    expect((await dataOf(id)).equals(DATA)).toBe(true);
  });

  it('leave no image of an import that fails, and say why', async () => {
    const task = await ended(await begun('import', importOf('missing')));
    expect(task).toMatchObject({ status: 'failure', result: null });
    expect(task.message).toContain('URL of the import');
    await as().get(`/v2/images/${task.input.image_id}`).expect(404);
  });

  it('clone an image with what is said of it', async () => {
    const source = await created({ name: 'source', os_type: 'linux', tags: ['one'], min_ram: 5 });
    const id = await begun('clone', { image_id: source, image_properties: { name: 'twin' } });
    const task = await ended(id);
    expect(task).toMatchObject({ status: 'success', input: { image_id: source } });
    const { image_id: clone } = task.result;
    expect(clone).not.toBe(source);
    expect(await show(clone)).toMatchObject({
      ...{ name: 'twin', status: 'active', os_type: 'linux', tags: ['one'], min_ram: 5 },
      ...{ checksum: (await show(source)).checksum, size: DATA.length },
    });
    await as().delete(`/v2/images/${source}`).expect(204);
    expect((await dataOf(clone)).equals(DATA)).toBe(true);
  });

  it('export an image to a file, as often as it is asked for', async () => {
    const id = await created();
    const before = await show(id);
    const files = [];
    for (let round = 0; round < 2; round += 1) {
      const task = await ended(await begun('export', { image_id: id }));
      expect(task).toMatchObject({
        status: 'success',
        result: { image_id: id, size: DATA.length },
      });
      const file = fileURLToPath(task.result.location);
      expect(path.dirname(file)).toBe(path.join(directory, 'exports'));
      expect((await readFile(file)).equals(DATA)).toBe(true);
      files.push(file);
    }
    expect(new Set(files).size).toBe(2);
    const { updated_at: _, ...after } = await show(id);
    expect(before).toMatchObject(after);
    await as().delete(`/v2/images/${id}`).expect(204);
    const names = (await readdir(path.join(directory, 'exports'))).map((name) => name.slice(0, 36));
    expect(names.filter((name) => name === id)).toHaveLength(2);
  });

  it.each([
    [{}, "Task 'type' is required"],
    [{ type: 'import' }, "Task 'input' is required"],
    [{ type: 'api_image_import', input: {} }, 'of type import, export, clone'],
    [{ type: 'import', input: 'x' }, "Task 'input' must be an object"],
    [{ type: 'import', input: {} }, "Input does not contain 'import_from' field"],
    [{ type: 'import', input: { import_from: 'x' } }, "'import_from_format' field"],
    [{ type: 'import', input: { ...importOfFile(), image_properties: 5 } }, 'must be an object'],
    [{ type: 'import', input: { ...importOfFile() } }, 'does not pass filtering'],
    [{ type: 'clone', input: {} }, "'image_id' field"],
    [{ type: 'export', input: { image_id: 'x' } }, 'must be the UUID of an image'],
    [{ type: 'export', input: {}, status: 'success' }, "no 'status' to be set"],
  ])('are refused: %j', async (body, text) => {
    const answer = await post(body).expect(400);
    expect(answer.text).toContain(text);
  });

  it('are refused where there is nothing to do, and for members', async () => {
    const nothing = '00000000-0000-4000-8000-000000000000';
    await post({ type: 'clone', input: { image_id: nothing } }).expect(404);
    const { id } = (await as().post('/v2/images').send(RAW).expect(201)).body;
    await post({ type: 'export', input: { image_id: id } }).expect(409);
    await post({ type: 'clone', input: { image_id: id } }).expect(409);
    await post({ type: 'clone', input: { image_id: await created(), store: 'none' } }).expect(409);
    await post({ type: 'import', input: importOf('disk') }, MEMBER).expect(403);
    await as().delete(`/v2/tasks/${nothing}`).expect(405);
  });

  it('export and import nothing where the site does not say so', async () => {
    const other = await startTestApi();
    try {
      const agent = () => request.agent(other.url).set('x-auth-token', ADMIN);
      const { id } = (await agent().post('/v2/images').send(RAW).expect(201)).body;
      const body = { type: 'export', input: { image_id: id } };
      const answer = await agent().post('/v2/tasks').send(body).expect(409);
      expect(answer.text).toContain('[task] export_dir is not set');
      const fetching = { type: 'import', input: importOf('disk') };
      const refused = await agent().post('/v2/tasks').send(fetching).expect(403);
      expect(refused.text).toContain('enabled_import_methods');
    } finally {
      await other.close();
    }
  });
});

function importOfFile(): object {
  return { import_from: 'file:///etc/passwd', import_from_format: 'raw', image_properties: RAW };
}

describe('a clone that the store itself copies', () => {
  it('ends when the service stops', async () => {
    const directory = await mkdtemp(path.join(os.tmpdir(), 'glance-clone-'));
    const { stores, drivers } = await memoryStores();
    let begin: () => void = () => undefined;
    const begun = new Promise<void>((resolve) => (begin = resolve));
    const ended = new Promise<unknown>((resolve) => {
      const copy = (_location: string, { signal }: CopyRequest): Promise<never> =>
        new Promise((_, reject) => {
          begin();
          signal?.addEventListener('abort', () => {
            resolve(signal.reason);
            reject(signal.reason as Error);
          });
        });
      Object.assign(drivers.get('memory')!, { copy });
    });
    const server = await startTestApiWith({ stores }, `--node-staging-uri=file://${directory}`);
    try {
      const as = () => request.agent(server.url).set('x-auth-token', ADMIN);
      const { id } = (await as().post('/v2/images').send(RAW).expect(201)).body;
      await as().put(`/v2/images/${id}/file`).set(OCTETS).send(DATA).expect(204);
      await as()
        .post('/v2/tasks')
        .send({ type: 'clone', input: { image_id: id } })
        .expect(201);
      await begun;
      server.shutdown.abort();
      expect(await ended).toMatchObject({ code: 'shutting_down' });
    } finally {
      await server.close();
      await rm(directory, { recursive: true });
    }
  });
});
