import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { Deployment, eventually, stopService } from './support/deployment';
import { plantSecret } from './support/leak-gate';
import { describeWithClients } from './support/clients';
import { openstackCommand } from './support/openstack-client';
import { SwiftServer, withSwift } from './support/swift-server';
import { createV2 } from './support/v2-client';

jest.setTimeout(120_000);

const MIB = 1024 * 1024;

withSwift(describeWithClients())('images in Swift', () => {
  const container = `e2e-${randomUUID()}`;
  let swift: SwiftServer;
  let deployment: Deployment;
  let directory: string;

  beforeAll(async () => {
    swift = new SwiftServer();
    plantSecret('the key of the store', swift.key);
    directory = await mkdtemp(path.join(os.tmpdir(), 'glance-swift-e2e-'));
    const references = path.join(directory, 'swift.conf');
    await writeFile(
      references,
      `[ref1]\nauth_address = ${swift.authAddress}\nuser = ${swift.user}\nkey = ${swift.key}\n`,
    );
    deployment = await Deployment.start({
      database: 'sqlite',
      api: {
        DEFAULT: ['show_multiple_locations = true', 'deletion_grace = 0'],
        glance_store: [
          'stores = file,swift',
          'default_store = swift',
          'swift_store_auth_version = 1',
          `swift_store_config_file = ${references}`,
          `swift_store_container = ${container}`,
          'swift_store_create_container_on_put = true',
          'swift_store_large_object_size = 5',
          'swift_store_large_object_chunk_size = 5',
        ],
      },
      registry: { uploads: ['lease_seconds = 4'] },
    });
  });

  afterAll(async () => {
    await deployment.stop();
    await swift.removeContainer(container);
    await rm(directory, { recursive: true, force: true });
  });

  const contents = (): Promise<string[]> => swift.contentsOf(container);

  const openstack = (...args: string[]): Promise<string> =>
    openstackCommand(args, { OS_AUTH_TYPE: 'none', OS_ENDPOINT: deployment.apiUrl });

  const fileOf = (id: string, apiUrl = deployment.apiUrl): string =>
    `${apiUrl}/v2/images/${id}/file`;

  async function newImage(): Promise<string> {
    const id = randomUUID();
    expect(await createV2(deployment.apiUrl, id)).toBe(201);
    return id;
  }

  /** Sends data without announcing its size and without ending. */
  function begin(url: string, data: Buffer): { request: http.ClientRequest; end: Promise<string> } {
    const headers = { 'content-type': 'application/octet-stream' };
    const request = http.request(url, { method: 'PUT', headers });
    const end = new Promise<string>((resolve) => {
      request.on('response', (answer) => resolve(`status ${answer.statusCode ?? 0}`));
      request.on('error', () => resolve('broken off'));
    });
    request.write(data);
    return { request, end };
  }

  it.each([0, 1, 3 * MIB, 17 * MIB + 5])(
    'are created, listed, read, saved and deleted by the openstack client: %i bytes',
    async (size) => {
      const data = randomBytes(size);
      const file = path.join(directory, 'disk.raw');
      await writeFile(file, data);
      const made = await openstack(
        ...['image', 'create', '-f', 'json', '--disk-format', 'raw', '--container-format', 'bare'],
        ...['--file', file, 'in swift'],
      );
      const { id } = JSON.parse(made) as { id: string };
      const shown = (await (await fetch(`${deployment.apiUrl}/v2/images/${id}`)).json()) as object;
      expect(shown).toMatchObject({
        status: 'active',
        size,
        os_hash_value: createHash('sha512').update(data).digest('hex'),
        locations: [{ url: `swift+config://ref1/${container}/${id}` }],
      });
      expect(await openstack('image', 'list')).toContain(id);
      const copy = path.join(directory, 'copy.raw');
      await openstack('image', 'save', '--file', copy, id);
      expect((await readFile(copy)).equals(data)).toBe(true);
      if (size > 1) {
        const part = await fetch(fileOf(id), { headers: { range: 'bytes=1000000-2000000' } });
        expect(part.status).toBe(206);
        const bytes = Buffer.from(await part.arrayBuffer());
        expect(bytes.equals(data.subarray(1_000_000, 2_000_001))).toBe(true);
      }
      // What any client of Swift reads.
      const stored = await swift.ask('GET', `/${container}/${id}`);
      expect(Buffer.from(await stored.arrayBuffer()).equals(data)).toBe(true);
      await eventually(async () => {
        const names = await contents();
        expect(names.every((name) => name === id || name.startsWith(`${id}-`))).toBe(true);
      });
      await openstack('image', 'delete', id);
      expect(await contents()).toEqual([]);
    },
  );

  it('leave nothing when the client goes away', async () => {
    const id = await newImage();
    const { request, end } = begin(fileOf(id), randomBytes(12 * MIB));
    await eventually(async () => {
      expect((await contents()).some((name) => name.endsWith('-00001'))).toBe(true);
    });
    request.destroy();
    expect(await end).toBe('broken off');
    await eventually(async () => {
      expect(await contents()).toEqual([]);
    });
    const shown = (await (await fetch(`${deployment.apiUrl}/v2/images/${id}`)).json()) as object;
    expect(shown).toMatchObject({ status: 'queued', size: null });
  });

  async function expectSwept(): Promise<void> {
    await eventually(async () => {
      await deployment.manage('db', 'expire_leases');
      expect((await deployment.manageStore('unfinished')).code).toBe(0);
      expect(await contents()).toEqual([]);
    });
  }

  it('have what a process left that was killed in the middle of an upload swept', async () => {
    const id = await newImage();
    const { url, service } = await deployment.addApi('');
    const { request, end } = begin(fileOf(id, url), randomBytes(12 * MIB));
    await eventually(async () => {
      expect((await contents()).some((name) => name.endsWith('-00001'))).toBe(true);
    });
    service.child.kill('SIGKILL');
    expect(await end).toBe('broken off');
    request.destroy();
    await stopService(service);
    expect(await contents()).toContainEqual(expect.stringMatching(/^glance-unfinished\//));
    await expectSwept();
  });

  it('have what a process left that died before it could record the image swept', async () => {
    const id = await newImage();
    const { url, service } = await deployment.addApi('U6:kill');
    const { request, end } = begin(fileOf(id, url), randomBytes(MIB));
    request.end();
    expect(await end).toBe('broken off');
    await stopService(service);
    expect(await contents()).toHaveLength(3);
    await expectSwept();
  });
});
