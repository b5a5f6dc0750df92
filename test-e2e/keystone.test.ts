import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { withBarbican } from './support/barbican';
import { describeWithClients, runClient } from './support/clients';
import { Deployment, eventually } from './support/deployment';
import { Keystone, describeWithKeystone, type Login } from './support/keystone';
import { signedImageCases } from './support/signed-image-cases';

jest.setTimeout(300_000);

const RED = { admin: login('red-admin', 'red'), member: login('red-member', 'red') };
const RED_READER = login('red-reader', 'red');
const BLUE = { admin: login('blue-admin', 'blue'), member: login('blue-member', 'blue') };
const BLUE_READER = login('blue-reader', 'blue');
const SYSTEM = login('operator', null);
const NOVA = login('nova', 'service');
const RAW = ['--disk-format', 'raw', '--container-format', 'bare'];
/** What the client says of an image that it is told nothing about. */
const NOT_FOUND = 'No Image found for|No image found with ID';
const FORBIDDEN = '403';

function login(user: string, project: string | null): Login {
  return { user, project };
}

async function* inChunks(bytes: number): AsyncGenerator<Buffer> {
  for (let sent = 0; sent < bytes; sent += 50_000) {
    await Promise.resolve();
    yield Buffer.alloc(50_000, sent);
  }
}

interface Shown {
  id: string;
  status: string;
  visibility: string;
  owner: string;
}

describeWithClients();
describeWithKeystone()('with a real Keystone', () => {
  let keystone: Keystone;
  let deployment: Deployment;
  /** Of another region. */
  let far: Deployment;
  let data: Buffer;
  let file: string;

  beforeAll(async () => {
    keystone = await Keystone.start();
    for (const { admin, member, reader } of [
      { ...RED, reader: RED_READER },
      { ...BLUE, reader: BLUE_READER },
    ]) {
      await keystone.addUser(admin, 'admin');
      await keystone.addUser(member, 'member');
      await keystone.addUser(reader, 'reader');
    }
    await keystone.addUser(SYSTEM, 'admin');
    await keystone.addUser(NOVA, 'service');
    far = await Deployment.start({
      database: 'sqlite',
      flavor: 'keystone',
      api: { keystone_authtoken: keystone.authtoken },
    });
    deployment = await Deployment.start({
      database: 'mysql',
      flavor: 'keystone',
      api: {
        DEFAULT: ['enabled_import_methods = [glance-download]'],
        import_filtering_opts: [`allowed_ports = 80, ${new URL(far.apiUrl).port}`],
        keystone_authtoken: [...keystone.authtoken, 'token_cache_time = 1'],
      },
    });
    await keystone.setImageEndpoint(deployment.apiUrl);
    await keystone.setImageEndpoint(far.apiUrl, 'Far');
    data = randomBytes(100_000);
    file = path.join(deployment.directory, 'disk.raw');
    await writeFile(file, data);
  }, 120_000);

  afterAll(async () => {
    await deployment.stop();
    await far.stop();
    await keystone.stop();
  });

  /** Runs the openstack client as a user. */
  async function as(user: Login, ...args: string[]): Promise<string> {
    const environment = keystone.environment(user);
    return (await runClient('openstack', args, { environment })).toString();
  }

  const shown = async (user: Login, id: string): Promise<Shown> =>
    JSON.parse(await as(user, 'image', 'show', '-f', 'json', id)) as Shown;

  const create = async (user: Login, name: string, ...args: string[]): Promise<Shown> =>
    JSON.parse(
      await as(user, 'image', 'create', '-f', 'json', ...RAW, '--file', file, ...args, name),
    ) as Shown;

  const listed = async (user: Login, ...args: string[]): Promise<string[]> =>
    (JSON.parse(await as(user, 'image', 'list', '-f', 'json', ...args)) as { ID: string }[]).map(
      (image) => image.ID,
    );

  /** An HTTP request with a token. */
  const send = (token: string, route: string, init: RequestInit = {}): Promise<Response> =>
    fetch(`${deployment.apiUrl}${route}`, {
      ...init,
      headers: { 'x-auth-token': token, ...(init.headers as Record<string, string> | undefined) },
    });

  const saved = async (user: Login, id: string): Promise<Buffer> => {
    const copy = path.join(deployment.directory, `copy-${user.user}`);
    await as(user, 'image', 'save', '--file', copy, id);
    return await readFile(copy);
  };

  /** The client does not say why. */
  async function expectNoDownload(user: Login, id: string): Promise<void> {
    await expect(saved(user, id)).rejects.toThrow('Unable to download image');
    const answer = await send(await keystone.token(user), `/v2/images/${id}/file`);
    expect(answer.status).toBe(403);
  }

  it('images of another region come with the token of who asks, and to nobody else', async () => {
    const ask = async (login: Login, url: string, method: string, body?: unknown) =>
      await fetch(url, {
        method,
        headers: {
          'x-auth-token': await keystone.token(login),
          'content-type': Buffer.isBuffer(body) ? 'application/octet-stream' : 'application/json',
        },
        ...(body === undefined
          ? {}
          : { body: Buffer.isBuffer(body) ? new Uint8Array(body) : JSON.stringify(body) }),
      });
    const made = async (login: Login, { apiUrl }: Deployment): Promise<string> => {
      const image = { name: 'of a region', disk_format: 'raw', container_format: 'bare' };
      const answer = await ask(login, `${apiUrl}/v2/images`, 'POST', image);
      return ((await answer.json()) as { id: string }).id;
    };
    const original = await made(RED.member, far);
    const file = `${far.apiUrl}/v2/images/${original}/file`;
    expect((await ask(RED.member, file, 'PUT', data)).status).toBe(204);
    const method = {
      name: 'glance-download',
      glance_image_id: original,
      glance_region: 'Far',
      glance_service_interface: 'public',
    };
    const outcome = async (login: Login): Promise<{ url: string; status: string }> => {
      const url = `${deployment.apiUrl}/v2/images/${await made(login, deployment)}`;
      expect((await ask(login, `${url}/import`, 'POST', { method })).status).toBe(202);
      let status = '';
      await eventually(async () => {
        const answer = await ask(login, `${url}/tasks`, 'GET');
        ({ status } = ((await answer.json()) as { tasks: { status: string }[] }).tasks[0]!);
        expect(['success', 'failure']).toContain(status);
      });
      return { url, status };
    };
    const { url, status } = await outcome(RED.member);
    expect(status).toBe('success');
    const copy = await ask(RED.member, `${url}/file`, 'GET');
    expect(Buffer.from(await copy.arrayBuffer()).equals(data)).toBe(true);
    const stranger = await outcome(BLUE.member);
    expect(stranger.status).toBe('failure');
    expect((await ask(BLUE.member, stranger.url, 'DELETE')).status).toBe(204);
    for (const each of [url, `${far.apiUrl}/v2/images/${original}`]) {
      expect((await ask(RED.member, each, 'DELETE')).status).toBe(204);
    }
  });

  it('members do with images of their project what they like, but publish', async () => {
    const { id, owner } = await create(RED.member, 'of a member', '--private');
    expect(owner).toBe(await keystone.projectId('red'));
    expect((await saved(RED.member, id)).equals(data)).toBe(true);
    await as(RED.member, 'image', 'set', '--property', 'a=b', '--tag', 'c', id);
    await as(RED.member, 'image', 'set', '--deactivate', id);
    await as(RED.member, 'image', 'set', '--activate', id);
    await as(RED.member, 'image', 'set', '--community', id);
    await expect(as(RED.member, 'image', 'set', '--public', id)).rejects.toThrow(FORBIDDEN);
    await expect(create(RED.member, 'public', '--public')).rejects.toThrow(FORBIDDEN);
    await as(RED.member, 'image', 'delete', id);
    await expect(shown(RED.member, id)).rejects.toThrow(new RegExp(NOT_FOUND));
  });

  it('readers see images of their project, and neither change nor download them', async () => {
    const { id } = await create(RED.member, 'to be read', '--private');
    expect((await shown(RED_READER, id)).status).toBe('active');
    expect(await listed(RED_READER)).toContain(id);
    for (const command of [
      ['set', '--name', 'other', id],
      ['set', '--tag', 'other', id],
      ['set', '--community', id],
      ['delete', id],
      ['create', ...RAW, 'of a reader'],
      ['add', 'project', id, 'blue'],
    ]) {
      await expect(as(RED_READER, 'image', ...command)).rejects.toThrow(FORBIDDEN);
    }
    await expectNoDownload(RED_READER, id);
    // The client does not look at the answer.
    await as(RED_READER, 'image', 'set', '--deactivate', id);
    expect((await shown(RED_READER, id)).status).toBe('active');
    await as(RED.member, 'image', 'delete', id);
  });

  it('administrators of any project do everything, in every project', async () => {
    const { id } = await create(RED.member, 'governed', '--private');
    expect(await listed(BLUE.admin, '--private')).toContain(id);
    await as(BLUE.admin, 'image', 'set', '--public', '--property', 'checked=yes', id);
    expect(await listed(BLUE_READER)).toContain(id);
    expect((await saved(BLUE.member, id)).equals(data)).toBe(true);
    await expectNoDownload(BLUE_READER, id);
    await expect(as(BLUE.member, 'image', 'delete', id)).rejects.toThrow(FORBIDDEN);
    await as(BLUE.admin, 'image', 'delete', id);
    await expect(shown(RED.member, id)).rejects.toThrow(new RegExp(NOT_FOUND));
  });

  it('private images of a project do not exist for another', async () => {
    const { id } = await create(RED.member, 'secret', '--private', '--tag', 'only-red');
    const none = 'c0ffee00-0000-4000-8000-000000000000';
    for (const user of [BLUE.member, BLUE_READER]) {
      await expect(shown(user, id)).rejects.toThrow(new RegExp(NOT_FOUND));
      await expect(shown(user, 'secret')).rejects.toThrow(new RegExp(NOT_FOUND));
      expect(await listed(user)).not.toContain(id);
      for (const filter of ['--private', '--shared', '--community']) {
        expect(await listed(user, filter)).toEqual([]);
      }
      expect(await listed(user, '--tag', 'only-red')).toEqual([]);
    }
    const token = await keystone.token(BLUE.member);
    const owner = await keystone.projectId('red');
    const narrowed = await send(token, `/v2/images?owner=${owner}&visibility=private`);
    expect(((await narrowed.json()) as { images: unknown[] }).images).toEqual([]);
    // What is hidden is answered as what is not there, on every route.
    const patch = {
      method: 'PATCH',
      headers: { 'content-type': 'application/openstack-images-v2.1-json-patch' },
      body: '[]',
    };
    const data = { 'content-type': 'application/octet-stream' };
    const requests: [string, RequestInit][] = [
      ['', {}],
      ['/file', {}],
      ['/members', {}],
      ['/locations', {}],
      ['', patch],
      ['', { method: 'DELETE' }],
      ['/file', { method: 'PUT', headers: data, body: 'x' }],
      ['/tags/t', { method: 'PUT' }],
      ['/tags/only-red', { method: 'DELETE' }],
      ['/actions/deactivate', { method: 'POST' }],
      ['/members', { method: 'POST', body: '{"member":"blue"}' }],
    ];
    for (const [route, init] of requests) {
      const answers = await Promise.all(
        [id, none].map(async (each) => {
          const answer = await send(token, `/v2/images/${each}${route}`, init);
          return { status: answer.status, text: (await answer.text()).replaceAll(each, 'ID') };
        }),
      );
      expect(answers[0]).toEqual(answers[1]);
      expect(answers[0]?.status).toBe(404);
    }
    await as(RED.member, 'image', 'delete', id);
  });

  it('images are shared between projects, and each side does its part', async () => {
    const { id } = await create(RED.member, 'shared', '--shared');
    const blue = await keystone.projectId('blue');
    await as(RED.member, 'image', 'add', 'project', id, blue);
    expect(await listed(BLUE.member)).not.toContain(id);
    await expect(as(BLUE_READER, 'image', 'set', '--accept', id)).rejects.toThrow(FORBIDDEN);
    await as(BLUE.member, 'image', 'set', '--accept', id);
    expect(await listed(BLUE_READER)).toContain(id);
    expect((await saved(BLUE.member, id)).equals(data)).toBe(true);
    await expect(as(BLUE.member, 'image', 'delete', id)).rejects.toThrow(FORBIDDEN);
    await expect(as(BLUE.member, 'image', 'set', '--name', 'x', id)).rejects.toThrow(FORBIDDEN);
    await as(RED.member, 'image', 'remove', 'project', id, blue);
    await expect(shown(BLUE.member, id)).rejects.toThrow(new RegExp(NOT_FOUND));
    await as(RED.member, 'image', 'delete', id);
  });

  it('tokens for the system do nothing with images', async () => {
    await expect(listed(SYSTEM)).rejects.toThrow(FORBIDDEN);
    await expect(create(SYSTEM, 'of the system')).rejects.toThrow(FORBIDDEN);
  });

  it('a token that is none, or was revoked, is refused with the place to get one', async () => {
    const refused = await send('gAAAAABnonsense', '/v2/images');
    expect(refused.status).toBe(401);
    expect(refused.headers.get('www-authenticate')).toBe(`Keystone uri="${keystone.url}"`);
    const token = await keystone.token(RED.member);
    expect((await send(token, '/v2/images')).status).toBe(200);
    await keystone.revoke(token);
    // Not before token_cache_time is over.
    await eventually(async () => {
      expect((await send(token, '/v2/images')).status).toBe(401);
    });
  });

  it('a service goes on for a user whose token has ended', async () => {
    const port = await keystone.serve(3);
    const token = await keystone.token(RED.member, port);
    await eventually(async () => {
      expect((await send(token, '/v2/images')).status).toBe(401);
    });
    const withService = async (service: Login) =>
      (
        await send(token, '/v2/images', {
          headers: { 'x-service-token': await keystone.token(service) },
        })
      ).status;
    expect(await withService(NOVA)).toBe(200);
    expect(await withService(BLUE.member)).toBe(401);
    expect((await send(token, '/v2/images')).status).toBe(401);
  });

  it('OSSA-2015-020: an upload is finished for the user who began it, whose token ends meanwhile', async () => {
    const port = await keystone.serve(4);
    const made = await send(await keystone.token(RED.member), '/v2/images', {
      method: 'POST',
      body: '{"name":"slow","disk_format":"raw","container_format":"bare"}',
    });
    const { id } = (await made.json()) as Shown;
    const token = await keystone.token(RED.member, port);
    async function* body(): AsyncGenerator<Buffer> {
      yield data.subarray(0, 1000);
      await eventually(async () => {
        expect((await send(token, '/v2/images')).status).toBe(401);
      });
      yield data.subarray(1000);
    }
    const upload = await send(token, `/v2/images/${id}/file`, {
      method: 'PUT',
      headers: { 'content-type': 'application/octet-stream' },
      body: body(),
      duplex: 'half',
    });
    expect(upload.status).toBe(204);
    expect((await saved(RED.member, id)).equals(data)).toBe(true);
    await as(RED.member, 'image', 'delete', id);
  });

  it('a restricted application credential is good for what its rules name', async () => {
    const token = await keystone.restrictedToken(RED.member, [
      { service: 'image', method: 'GET', path: '/v2/images/**' },
    ]);
    expect((await send(token, '/v2/images')).status).toBe(200);
    expect((await send(token, '/v2/images', { method: 'POST', body: '{}' })).status).toBe(401);
  });

  describe('which keeps the limits of projects', () => {
    let limited: Deployment;

    beforeAll(async () => {
      const endpoint = await keystone.setImageEndpoint(deployment.apiUrl, 'Limited');
      const limits = { image_size_total: 2, image_stage_total: 2, image_count_uploading: 2 };
      await keystone.registerLimits(endpoint, { ...limits, image_count_total: 2 });
      await keystone.setLimit(endpoint, 'blue', 'image_count_total', 3);
      await keystone.addUser(login('glance', null), 'reader');
      limited = await Deployment.start({
        database: 'mysql',
        flavor: 'keystone',
        api: {
          DEFAULT: ['use_keystone_limits = true'],
          keystone_authtoken: keystone.authtoken,
          oslo_limit: [
            ...keystone.authtoken.filter((line) => !line.startsWith('project_')),
            `endpoint_id = ${endpoint.id}`,
            'system_scope = all',
          ],
        },
      });
    });

    afterAll(async () => {
      await limited.stop();
    });

    it('no project has more, whatever comes at once', async () => {
      const post = async (token: string): Promise<Response> =>
        await fetch(`${limited.apiUrl}/v2/images`, {
          method: 'POST',
          headers: { 'x-auth-token': token },
          body: '{"disk_format":"raw","container_format":"bare"}',
        });
      const [red, blue] = [await keystone.token(RED.member), await keystone.token(BLUE.member)];
      const made = await Promise.all(Array.from({ length: 6 }, () => post(red)));
      const statuses = made.map((answer) => answer.status).sort();
      expect(statuses).toEqual([201, 201, 413, 413, 413, 413]);
      const refused = made.find((answer) => answer.status === 413);
      expect(await refused?.text()).toContain(
        'Resource image_count_total is over limit of 2 due to current usage 2 and delta 1',
      );
      const ofBlue = await Promise.all(Array.from({ length: 6 }, () => post(blue)));
      expect(ofBlue.filter((answer) => answer.status === 201)).toHaveLength(3);

      const ids = await Promise.all(
        made
          .filter((answer) => answer.status === 201)
          .map(async (answer) => ((await answer.json()) as Shown).id),
      );
      const upload = async (id: string): Promise<number> => {
        const answer = await fetch(`${limited.apiUrl}/v2/images/${id}/file`, {
          method: 'PUT',
          headers: { 'x-auth-token': red, 'content-type': 'application/octet-stream' },
          // Without a length: nobody knows before how much it will be.
          body: inChunks(1_500_000),
          duplex: 'half',
        });
        return answer.status;
      };
      // Both reserve as their bytes come: one may win, or each be in the other's way.
      const together = await Promise.all(ids.map(upload));
      expect(together).toContain(413);
      const later: number[] = [];
      for (const id of ids) later.push(await upload(id));
      expect([...together, ...later].filter((status) => status === 204)).toHaveLength(1);
      const usage = await fetch(`${limited.apiUrl}/v2/info/usage`, {
        headers: { 'x-auth-token': red },
      });
      expect(await usage.json()).toEqual({
        usage: {
          image_size_total: { limit: 2, usage: 1 },
          image_stage_total: { limit: 2, usage: 0 },
          image_count_total: { limit: 2, usage: 2 },
          image_count_uploading: { limit: 2, usage: 0 },
        },
      });
    });
  });

  withBarbican(describe)('signed images with a real Barbican', () => {
    signedImageCases(() => keystone, { signer: RED.member, stranger: BLUE.member });
  });

  it('while Keystone is down nobody is told that a token is wrong', async () => {
    const [known, token] = [await keystone.token(RED.member), await keystone.token(BLUE.member)];
    await keystone.stopServing();
    try {
      const answer = await send(token, '/v2/images');
      expect(answer.status).toBe(503);
      expect(answer.headers.get('retry-after')).not.toBeNull();
      expect((await fetch(`${deployment.apiUrl}/readyz`)).status).toBe(200);
    } finally {
      await keystone.serve();
    }
    expect((await send(token, '/v2/images')).status).toBe(200);
    expect((await send(known, '/v2/images')).status).toBe(200);
    expect(deployment.logs()).toContain('cannot be asked at the moment');
  });

  it('no token and no password is in any log', () => {
    const logs = deployment.logs();
    expect(logs).toContain('/v2/images');
    expect(logs).not.toMatch(/gAAAAA[A-Za-z0-9_-]{20}/);
  });
});
