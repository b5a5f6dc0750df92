import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { describeWithClients, runClient } from './support/clients';
import { DATABASES, Deployment, eventually } from './support/deployment';
import { IdentityServer } from './support/identity';
import { ImageSource } from './support/image-source';

jest.setTimeout(300_000);

const ALICE = 'alice:project-a:member,reader';
const ADMIN = 'root:project-a:admin,member,reader';
const RAW = ['--disk-format', 'raw', '--container-format', 'bare'];

interface Shown {
  id: string;
  status: string;
  size: number;
  stores: string;
  os_glance_failed_import?: string;
}

interface Task {
  id: string;
  type: string;
  status: string;
  message: string;
  result: { image_id: string } | null;
  input: { import_req: { method: { name: string; uri?: string } } };
  request_id: string;
}

describeWithClients().each(DATABASES)('imports on %s', (database) => {
  let source: ImageSource;
  let deployment: Deployment;
  let identity: IdentityServer;
  let directory: string;
  let data: Buffer;
  let file: string;

  beforeAll(async () => {
    data = randomBytes(3 * 1024 * 1024 + 17);
    source = await ImageSource.start(data);
    directory = await mkdtemp(path.join(os.tmpdir(), 'glance-imports-'));
    deployment = await Deployment.start({
      database,
      nodes: 2,
      flavor: 'fakeauth',
      api: {
        DEFAULT: [
          'enabled_backends = disks:file, vault:file',
          'enabled_import_methods = [glance-direct,web-download,copy-image]',
          'wakeup_time = 0.5',
          'deletion_grace = 0',
        ],
        glance_store: ['default_backend = disks'],
        disks: [`filesystem_store_datadir = ${path.join(directory, 'disks')}`],
        vault: [`filesystem_store_datadir = ${path.join(directory, 'vault')}`],
        backend_defaults: [
          'http_store_allowed_networks = 127.0.0.0/8',
          `http_store_allowed_ports = ${source.port}`,
        ],
        import_filtering_opts: [`allowed_ports = 80, ${source.port}`],
        import: ['poll_interval = 0.5'],
        transfer: ['sweep_interval = 1'],
      },
    });
    identity = await IdentityServer.start(deployment.apiUrl, [
      { id: 'project-a', name: 'project-a' },
    ]);
    file = path.join(directory, 'disk.raw');
    await writeFile(file, data);
  });

  afterAll(async () => {
    await identity.stop();
    await deployment.stop();
    await source.close();
    await rm(directory, { recursive: true });
  });

  const client =
    (program: 'glance' | 'openstack', token: string) =>
    async (...args: string[]): Promise<string> =>
      (await runClient(program, args, { environment: identity.environment(token) })).toString();

  /** A call of node `node`. */
  const api = async (
    method: string,
    pathName: string,
    options: {
      token?: string;
      body?: unknown;
      node?: number;
      headers?: Record<string, string>;
    } = {},
  ): Promise<Response> => {
    const { token = ALICE, body, node = 0, headers = {} } = options;
    const isData = Buffer.isBuffer(body);
    return await fetch(`${deployment.apiUrls[node]}/v2${pathName}`, {
      method,
      headers: {
        'x-auth-token': token,
        'content-type': isData ? 'application/octet-stream' : 'application/json',
        ...headers,
      },
      ...(body === undefined ? {} : { body: isData ? body : JSON.stringify(body) }),
    });
  };
  const show = async (id: string): Promise<Shown> =>
    (await (await api('GET', `/images/${id}`)).json()) as Shown;
  const tasksOf = async (id: string): Promise<Task[]> =>
    ((await (await api('GET', `/images/${id}/tasks`)).json()) as { tasks: Task[] }).tasks;
  const becomes = (id: string, status: string): Promise<Shown> =>
    eventually(async () => {
      const image = await show(id);
      expect(image).toMatchObject({ status });
      expect((await tasksOf(id)).filter((task) => /ing$/.test(task.status))).toEqual([]);
      return image;
    });
  const download = async (id: string): Promise<Buffer> =>
    Buffer.from(await (await api('GET', `/images/${id}/file`)).arrayBuffer());
  const create = async (): Promise<string> => {
    const body = { disk_format: 'raw', container_format: 'bare' };
    return ((await (await api('POST', '/images', { body })).json()) as Shown).id;
  };
  const importBy = (id: string, method: object, more: object = {}, node = 0): Promise<Response> =>
    api('POST', `/images/${id}/import`, { body: { method, ...more }, node });
  const staged = async (): Promise<string[]> => {
    const names = await Promise.all(
      [0, 1].map((node) =>
        readdir(deployment.stagingDirectory(node), { recursive: true }).catch(() => []),
      ),
    );
    return names.flat().filter((name) => /[0-9a-f]{8}-/.test(path.basename(name)));
  };

  it('of the real clients end with the data in the stores', async () => {
    const glance = client('glance', ALICE);
    const made = async (...args: string[]): Promise<string> => {
      const output = await glance('image-create-via-import', ...RAW, ...args);
      const id = /\| id +\| (\S+)/.exec(output)?.[1];
      if (id === undefined) throw new Error(output);
      return id;
    };
    const direct = await made(
      '--import-method',
      'glance-direct',
      '--file',
      file,
      '--name',
      'direct',
    );
    const url = ['--uri', source.url, '--all-stores', 'True'];
    const web = await made('--import-method', 'web-download', ...url, '--name', 'web');
    for (const id of [direct, web]) {
      expect(await becomes(id, 'active')).toMatchObject({ size: data.length });
      expect((await download(id)).equals(data)).toBe(true);
    }
    expect((await show(direct)).stores).toBe('disks');
    expect((await show(web)).stores.split(',').sort()).toEqual(['disks', 'vault']);

    const root = client('glance', ADMIN);
    await root('image-import', direct, '--import-method', 'copy-image', '--stores', 'vault');
    await eventually(async () => {
      expect((await show(direct)).stores.split(',').sort()).toEqual(['disks', 'vault']);
    });
    const [task] = await tasksOf(direct);
    expect(await root('task-list')).toContain(task!.id);
    expect(await root('task-show', task!.id)).toContain('api_image_import');
    const saved = path.join(directory, 'saved.raw');
    await client('openstack', ALICE)('image', 'save', '--file', saved, direct);
    expect((await readFile(saved)).equals(data)).toBe(true);
    await eventually(async () => {
      expect(await staged()).toEqual([]);
    });
  });

  it('are carried out by the node that has the data, whichever is asked', async () => {
    const id = await create();
    expect((await api('PUT', `/images/${id}/stage`, { body: data, node: 1 })).status).toBe(204);
    expect(await show(id)).toMatchObject({ status: 'uploading', size: data.length });
    expect(await staged()).not.toEqual([]);
    expect((await importBy(id, { name: 'glance-direct' })).status).toBe(202);
    expect((await importBy(id, { name: 'glance-direct' })).status).toBe(409);
    await becomes(id, 'active');
    expect((await download(id)).equals(data)).toBe(true);
    const [task] = await tasksOf(id);
    expect(task).toMatchObject({ status: 'success', result: { image_id: id }, message: '' });
  });

  it('leave a queued image and a reason when the source fails, and can be repeated', async () => {
    const id = await create();
    const uri = `http://user:secret-of-source@127.0.0.1:${source.port}/missing`;
    expect((await importBy(id, { name: 'web-download', uri })).status).toBe(202);
    const image = await becomes(id, 'queued');
    expect(image.os_glance_failed_import).toBe('disks');
    const [task] = await tasksOf(id);
    expect(task).toMatchObject({ status: 'failure' });
    expect(task!.message).toContain('URL of the import');
    expect(JSON.stringify(task)).not.toContain('secret-of-source');
    expect(task!.request_id).toMatch(/^req-/);
    const again = await importBy(id, { name: 'web-download', uri: source.url });
    expect(again.status).toBe(202);
    await becomes(id, 'active');
    expect((await download(id)).equals(data)).toBe(true);
  });

  it('refuse what the sheet refuses, and leave the image as it was', async () => {
    const id = await create();
    const web = { name: 'web-download', uri: source.url };
    const cases: [object, object, number][] = [
      [{ name: 'telepathy' }, {}, 400],
      [{ name: 'web-download' }, {}, 400],
      [{ ...web, uri: 'ftp://127.0.0.1/disk' }, {}, 400],
      [{ ...web, uri: 'http://127.0.0.1:8080/disk' }, {}, 400],
      [web, { all_stores: 'yes' }, 400],
      [web, { all_stores: true, stores: ['disks'] }, 400],
      [web, { stores: ['nowhere'] }, 409],
      [{ name: 'glance-direct' }, {}, 409],
      [{ name: 'copy-image' }, {}, 403],
    ];
    for (const [method, more, status] of cases) {
      const answer = await importBy(id, method, more);
      expect([method, more, answer.status]).toEqual([method, more, status]);
    }
    const bob = 'bob:project-b:member,reader';
    const body = { method: web };
    expect((await api('POST', `/images/${id}/import`, { body, token: bob })).status).toBe(404);
    expect((await api('GET', '/tasks')).status).toBe(403);
    expect((await api('GET', '/tasks', { token: ADMIN })).status).toBe(200);
    expect(await show(id)).toMatchObject({ status: 'queued' });
    expect(await tasksOf(id)).toEqual([]);
  });

  it('are over when their image is deleted, and leave nothing', async () => {
    const release = source.holdBack();
    const id = await create();
    const method = { name: 'web-download', uri: source.url };
    expect((await importBy(id, method, { all_stores: true })).status).toBe(202);
    await eventually(async () => {
      expect((await tasksOf(id))[0]).toMatchObject({ status: 'processing' });
    });
    const waiting = await create();
    await api('PUT', `/images/${waiting}/stage`, { body: data });
    for (const each of [id, waiting]) {
      expect((await api('DELETE', `/images/${each}`)).status).toBe(204);
    }
    release();
    await eventually(async () => {
      expect(await staged()).toEqual([]);
      const left = await readdir(path.join(directory, 'disks'), { recursive: true });
      expect(left.filter((name) => name.includes(id))).toEqual([]);
    });
  });
});
