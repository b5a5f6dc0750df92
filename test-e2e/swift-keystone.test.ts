import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { describeWithClients } from './support/clients';
import { Deployment, eventually, stopService } from './support/deployment';
import { Keystone, describeWithKeystone, type Login } from './support/keystone';
import { KeystoneSwift, withSwiftPrograms } from './support/keystone-swift';
import { openstackCommand } from './support/openstack-client';

jest.setTimeout(120_000);

const RED: Login = { user: 'red-member', project: 'red' };
/** May make tasks, of the same project. */
const RED_ADMIN: Login = { user: 'red-admin', project: 'red' };
const BLUE: Login = { user: 'blue-member', project: 'blue' };
/** The user of the store. */
const STORE: Login = { user: 'image-store', project: 'images' };
/** May look into every account. */
const AUDITOR: Login = { user: 'auditor', project: 'audit' };
const RAW = ['--disk-format', 'raw', '--container-format', 'bare'];
const MIB = 1024 * 1024;
/** Five of what upstream calls a megabyte. */
const SEGMENT_BYTES = 5 * 1024 * 1000;

withSwiftPrograms(withClients(describeWithKeystone()))('images in a Swift with a Keystone', () => {
  let keystone: Keystone;
  let swift: KeystoneSwift;

  beforeAll(async () => {
    keystone = await Keystone.start();
    await keystone.addUser(RED, 'member');
    await keystone.addUser(RED_ADMIN, 'admin');
    await keystone.addUser(BLUE, 'member');
    await keystone.addUser(STORE, 'ResellerAdmin', 'member');
    await keystone.addUser(AUDITOR, 'ResellerAdmin');
    swift = await KeystoneSwift.start(keystone);
  }, 240_000);

  afterAll(async () => {
    await swift.stop();
    await keystone.stop();
  });

  function startDeployment(...lines: string[]): Promise<Deployment> {
    return Deployment.start({
      database: 'mysql',
      flavor: 'keystone',
      api: {
        DEFAULT: ['show_multiple_locations = true', 'deletion_grace = 0'],
        keystone_authtoken: [...keystone.authtoken, 'token_cache_time = 1'],
        glance_store: [
          ...['stores = file,swift', 'default_store = swift'],
          'swift_store_create_container_on_put = true',
          'swift_store_large_object_size = 5',
          'swift_store_large_object_chunk_size = 5',
          ...lines,
        ],
        transfer: ['access_sweep_interval = 1'],
        orphans: ['minimum_age = 0', 'confirm_after = 1'],
      },
      registry: { uploads: ['lease_seconds = 4'] },
    });
  }

  const userOfStore = (prefix: string): string[] => [
    `${prefix}auth_address = ${keystone.url}`,
    `${prefix}user = ${STORE.project ?? ''}:${STORE.user}`,
    `${prefix}key = ${keystone.environment(STORE)['OS_PASSWORD'] ?? ''}`,
  ];

  /** Each deployment is in a region of its own for its clients; Keystone and Swift are in RegionOne. */
  async function clientOf({ apiUrl, directory }: Deployment, region: string) {
    await keystone.setImageEndpoint(apiUrl, region);
    const as = (user: Login, ...args: string[]): Promise<string> =>
      openstackCommand(args, { ...keystone.environment(user), OS_REGION_NAME: region });
    return {
      as,
      create: async (user: Login, data: Buffer, ...args: string[]): Promise<string> => {
        const file = path.join(directory, 'disk.raw');
        await writeFile(file, data);
        const command = ['image', 'create', '-f', 'json', ...RAW, '--file', file, ...args, 'disk'];
        return (JSON.parse(await as(user, ...command)) as { id: string }).id;
      },
      saved: async (user: Login, id: string): Promise<Buffer> => {
        const copy = path.join(directory, 'copy.raw');
        await as(user, 'image', 'save', '--file', copy, id);
        return await readFile(copy);
      },
    };
  }

  const accountOf = (project: string): Promise<Record<string, string[]>> =>
    swift.contentsOf(AUDITOR, project);

  describe('in one account', () => {
    it('are stored and removed by a user that logs in by password', async () => {
      const references = path.join(
        await mkdtemp(path.join(os.tmpdir(), 'swift-e2e-')),
        'swift.conf',
      );
      await writeFile(references, ['[ref1]', ...userOfStore('')].join('\n'));
      const deployment = await startDeployment(
        'swift_store_container = single',
        `swift_store_config_file = ${references}`,
      );
      try {
        const { create, saved, as } = await clientOf(deployment, 'Single');
        for (const data of [randomBytes(MIB), randomBytes(11 * MIB)]) {
          const id = await create(RED, data);
          await eventually(async () => {
            const names = (await accountOf('images'))['single'] ?? [];
            expect(names).toContain(id);
            expect(names.every((name) => name.startsWith(id))).toBe(true);
          });
          expect(await accountOf('red')).toEqual({});
          expect((await saved(RED, id)).equals(data)).toBe(true);
          await as(RED, 'image', 'delete', id);
          expect((await accountOf('images'))['single']).toEqual([]);
        }
      } finally {
        await deployment.stop();
        await rm(path.dirname(references), { recursive: true });
      }
    });
  });

  describe('in the accounts of projects', () => {
    let deployment: Deployment;
    let client: Awaited<ReturnType<typeof clientOf>>;

    beforeAll(async () => {
      deployment = await startDeployment(
        ...userOfStore('swift_store_'),
        'swift_store_multi_tenant = true',
        'swift_store_container = tenant',
        `swift_store_admin_tenants = ${await keystone.projectId('audit')}`,
      );
      client = await clientOf(deployment, 'RegionOne');
    });
    afterAll(() => deployment.stop());

    /** Whether a user reads an image from Swift itself, beside the image service. */
    async function statusOfDirectRead(user: Login, id: string): Promise<number> {
      const answer = await swift.ask(user, 'GET', 'red', `/tenant_${id}/${id}`);
      await answer.arrayBuffer();
      return answer.status;
    }

    /** Without data. */
    async function newImage(): Promise<string> {
      const made = await fetch(`${deployment.apiUrl}/v2/images`, {
        method: 'POST',
        headers: {
          'x-auth-token': await keystone.token(RED),
          'content-type': 'application/json',
        },
        body: JSON.stringify({ disk_format: 'raw', container_format: 'bare' }),
      });
      expect(made.status).toBe(201);
      return ((await made.json()) as { id: string }).id;
    }

    const marks = async (): Promise<string[]> => (await accountOf('images'))['tenant'] ?? [];

    it.each([0, 1, 11 * MIB + 1])(
      'each land in that of the caller, and leave nothing behind: %i bytes',
      async (size) => {
        for (const user of [RED, BLUE]) {
          const { project } = user;
          const data = randomBytes(size);
          const id = await client.create(user, data);
          const account = await accountOf(project!);
          expect(Object.keys(account)).toEqual([`tenant_${id}`]);
          expect(account[`tenant_${id}`]).toContain(id);
          const shown = await fetch(`${deployment.apiUrl}/v2/images/${id}`, {
            headers: { 'x-auth-token': await keystone.token(user) },
          });
          const url = `swift+${await swift.accountOf(project!)}/tenant_${id}/${id}`;
          expect(await shown.json()).toMatchObject({
            status: 'active',
            size,
            locations: [{ url }],
          });
          expect((await client.saved(user, id)).equals(data)).toBe(true);
          await client.as(user, 'image', 'delete', id);
          expect(await accountOf(project!)).toEqual({});
        }
        await eventually(async () => {
          expect(await marks()).toEqual([]);
        });
      },
    );

    it('are read by whom they are shared with, by the service and in Swift, as long as they are', async () => {
      const data = randomBytes(MIB);
      const id = await client.create(RED, data, '--shared');
      const blue = await keystone.projectId('blue');
      expect(await statusOfDirectRead(RED, id)).toBe(200);
      expect(await statusOfDirectRead(BLUE, id)).toBe(403);

      await client.as(RED, 'image', 'add', 'project', id, blue);
      await client.as(BLUE, 'image', 'set', '--accept', id);
      expect(await statusOfDirectRead(BLUE, id)).toBe(200);
      expect((await client.saved(BLUE, id)).equals(data)).toBe(true);
      const written = await swift.ask(BLUE, 'PUT', 'red', `/tenant_${id}/${id}`);
      expect(written.status).toBe(403);

      await client.as(RED, 'image', 'remove', 'project', id, blue);
      expect(await statusOfDirectRead(BLUE, id)).toBe(403);

      await client.as(RED, 'image', 'set', '--community', id);
      expect(await statusOfDirectRead(BLUE, id)).toBe(200);
      const anonymous = await fetch(`${await swift.accountOf('red')}/tenant_${id}/${id}`);
      expect(anonymous.status).toBe(401);
      const container = await swift.ask(AUDITOR, 'HEAD', 'red', `/tenant_${id}`);
      expect(container.headers.get('x-container-read')).toBe('*:*');
      expect(container.headers.get('x-container-write')).toBe(
        `${await keystone.projectId('audit')}:*`,
      );

      await client.as(RED, 'image', 'set', '--private', id);
      expect(await statusOfDirectRead(BLUE, id)).toBe(403);
      await client.as(RED, 'image', 'delete', id);
      expect(await accountOf('red')).toEqual({});
    });

    it('are read by nobody else for long when a change did not reach Swift', async () => {
      const id = await client.create(RED, randomBytes(1), '--shared');
      const blue = await keystone.projectId('blue');
      // What a process leaves that dies between taking a member away and telling Swift.
      const left = await swift.ask(RED, 'POST', 'red', `/tenant_${id}`, {
        'x-container-read': `${blue}:*`,
      });
      expect(left.status).toBe(204);
      await eventually(async () => expect(await statusOfDirectRead(BLUE, id)).toBe(403));
      await client.as(RED, 'image', 'delete', id);
    });

    it('are cloned within an account by Swift, which alone reads them', async () => {
      const data = randomBytes(11 * MIB);
      const id = await client.create(RED, data);
      // Data that is read would be found to be another.
      const place = `/tenant_${id}/${id}`;
      const from = { 'x-copy-from': `${place}-00001` };
      expect((await swift.ask(AUDITOR, 'PUT', 'red', `${place}-00002`, from)).status).toBe(201);
      const token = await keystone.token(RED_ADMIN);
      const ask = async (path: string, body?: object): Promise<Record<string, unknown>> => {
        const answer = await fetch(`${deployment.apiUrl}/v2/${path}`, {
          headers: { 'x-auth-token': token, 'content-type': 'application/json' },
          ...(body && { method: 'POST', body: JSON.stringify(body) }),
        });
        return (await answer.json()) as Record<string, unknown>;
      };
      const task = await ask('tasks', { type: 'clone', input: { image_id: id } });
      await eventually(async () => {
        expect(await ask(`tasks/${String(task['id'])}`)).toMatchObject({ status: 'success' });
      });
      const { result } = await ask(`tasks/${String(task['id'])}`);
      const clone = (result as { image_id: string }).image_id;
      const checksum = createHash('md5').update(data).digest('hex');
      expect(await ask(`images/${clone}`)).toMatchObject({ status: 'active', checksum });
      await client.as(RED, 'image', 'delete', id);
      const names = ['', '-00001', '-00002', '-00003'].map((end) => `${clone}${end}`);
      expect(await accountOf('red')).toEqual({ [`tenant_${clone}`]: names });
      await client.as(RED, 'image', 'delete', clone);
      expect(await accountOf('red')).toEqual({});
    });

    it('hold what was shared before there was data', async () => {
      const id = await newImage();
      await client.as(RED, 'image', 'add', 'project', id, await keystone.projectId('blue'));
      const sent = await fetch(`${deployment.apiUrl}/v2/images/${id}/file`, {
        method: 'PUT',
        headers: {
          'x-auth-token': await keystone.token(RED),
          'content-type': 'application/octet-stream',
        },
        body: 'data',
      });
      expect(sent.status).toBe(204);
      expect(await statusOfDirectRead(BLUE, id)).toBe(200);
      await client.as(RED, 'image', 'delete', id);
      expect(await accountOf('red')).toEqual({});
    });

    it('go on when the token of the caller ends in the middle', async () => {
      const id = await newImage();
      const token = await keystone.token(RED);
      const { request, end } = begin(id, token, deployment.apiUrl);
      const data = randomBytes(6 * MIB);
      request.write(data);
      await eventually(async () => {
        expect((await accountOf('red'))[`tenant_${id}`]).toContain(`${id}-00001`);
      });
      await keystone.revoke(token);
      request.end(data);
      expect(await end).toBe('status 204');
      expect((await client.saved(RED, id)).equals(Buffer.concat([data, data]))).toBe(true);
      await client.as(RED, 'image', 'delete', id);
      expect(await accountOf('red')).toEqual({});
    });

    it('have what a killed process left swept from the account of the project', async () => {
      const id = await newImage();
      const { url, service } = await deployment.addApi('');
      const { request, end } = begin(id, await keystone.token(RED), url);
      request.write(randomBytes(6 * MIB));
      await eventually(async () => {
        expect((await accountOf('red'))[`tenant_${id}`]).toContain(`${id}-00001`);
      });
      service.child.kill('SIGKILL');
      expect(await end).toBe('broken off');
      await stopService(service);
      expect(await marks()).toHaveLength(1);
      await eventually(async () => {
        await deployment.manage('db', 'expire_leases');
        expect((await deployment.manageStore('unfinished')).code).toBe(0);
        expect(await accountOf('red')).toEqual({});
      });
      expect(await marks()).toEqual([]);
    });

    it('hold no data without an image for long, whoever left it', async () => {
      const kept = await client.create(RED, randomBytes(11 * MIB));
      // Only a deleted image tells of this project.
      await client.as(BLUE, 'image', 'delete', await client.create(BLUE, Buffer.from('x')));
      const plant = async (project: string, object: string, headers = {}): Promise<void> => {
        const made = await swift.ask(AUDITOR, 'PUT', project, object, headers);
        expect(made.status).toBe(201);
      };
      const [small, large, own] = [randomUUID(), randomUUID(), randomUUID()];
      await plant('red', `/tenant_${large}`);
      for (const part of ['-00001', '-00002']) {
        const from = { 'x-copy-from': `/tenant_${kept}/${kept}-00001` };
        await plant('red', `/tenant_${large}/${large}${part}`, from);
      }
      const manifest = { 'x-object-manifest': `tenant_${large}/${large}-` };
      await plant('red', `/tenant_${large}/${large}`, manifest);
      await plant('blue', `/tenant_${small}`);
      await plant('blue', `/tenant_${small}/${small}`);
      await plant('images', `/tenant_${own}`);
      await plant('images', `/tenant_${own}/${own}`);
      // Of the operator.
      await plant('blue', '/tenant_notes');
      await plant('blue', `/tenant_notes/${small}`);
      await plant('red', `/tenant_${kept}/${small}`);

      const found = async (): Promise<string[]> => {
        const { out } = await deployment.manageStore('orphans');
        return [...out.matchAll(/image=(\S+) bytes=(\d+)/g)].map(
          ([, id, bytes]) => `${id} ${bytes}`,
        );
      };
      await eventually(async () => {
        const expected = [`${large} ${2 * SEGMENT_BYTES}`, `${small} 0`, `${own} 0`];
        expect((await found()).sort()).toEqual(expected.sort());
      });
      const removed = await deployment.manageStore('orphans', '--delete', '--force');
      expect(removed).toMatchObject({ code: 0 });
      expect(removed.out).toMatch(/Removed 3 blobs/);
      expect(Object.keys(await accountOf('red'))).toEqual([`tenant_${kept}`]);
      expect(await accountOf('blue')).toEqual({ tenant_notes: [small] });
      expect(Object.keys(await accountOf('images'))).not.toContain(`tenant_${own}`);
      expect((await client.saved(RED, kept)).length).toBe(11 * MIB);
      expect((await accountOf('red'))[`tenant_${kept}`]).toContain(small);
      await swift.ask(AUDITOR, 'DELETE', 'red', `/tenant_${kept}/${small}`);
      await client.as(RED, 'image', 'delete', kept);
    });
  });
});

/** Sends data without announcing its size. */
function begin(
  id: string,
  token: string,
  apiUrl: string,
): { request: http.ClientRequest; end: Promise<string> } {
  const headers = { 'content-type': 'application/octet-stream', 'x-auth-token': token };
  const request = http.request(`${apiUrl}/v2/images/${id}/file`, { method: 'PUT', headers });
  const end = new Promise<string>((resolve) => {
    request.on('response', (answer) => resolve(`status ${answer.statusCode ?? 0}`));
    request.on('error', () => resolve('broken off'));
  });
  return { request, end };
}

function withClients(tests: jest.Describe): jest.Describe {
  return describeWithClients() === describe ? tests : describe.skip;
}
