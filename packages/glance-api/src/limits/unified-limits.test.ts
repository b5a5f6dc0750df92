import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { MIB } from '@glance/common';
import { FakeKeystone } from '@glance/keystone-client/testing';
import request from 'supertest';
import { startTestApi, type TestApi } from '../testing/test-api';

const ALICE = 'alice:demo:member';
const BOB = 'bob:other:member';
const ADMIN = 'root:ops:admin';
const FORMATS = { disk_format: 'raw', container_format: 'bare' };
const RAW = { 'x-image-meta-disk_format': 'raw', 'x-image-meta-container_format': 'bare' };
const PATCH = 'application/openstack-images-v2.1-json-patch';
const ENDPOINT = 'e1';
const SERVICE = 's1';
const REGION = 'RegionOne';

/** Limits that bind nobody, with what a test says instead. */
function plenty(limits: Record<string, number> = {}): Record<string, number> {
  return {
    image_size_total: 1000,
    image_stage_total: 1000,
    image_count_total: 1000,
    image_count_uploading: 1000,
    ...limits,
  };
}

describe('limits kept in Keystone', () => {
  let keystone: FakeKeystone;
  let registered: Record<string, number>;
  let ofProjects: Record<string, Record<string, number>>;
  let source: http.Server;
  let sourceBytes: Buffer;
  let server: TestApi | undefined;

  beforeEach(async () => {
    keystone = await FakeKeystone.start();
    registered = plenty();
    ofProjects = {};
    const isOfService = ({ searchParams }: URL) =>
      searchParams.get('service_id') === SERVICE && searchParams.get('region_id') === REGION;
    const endpoint = { id: ENDPOINT, service_id: SERVICE, region_id: REGION };
    keystone.routes.set(`/endpoints/${ENDPOINT}`, () => ({ status: 200, body: { endpoint } }));
    keystone.routes.set('/services', (url) => ({
      status: 200,
      body: { services: url.searchParams.get('type') === 'image' ? [{ id: SERVICE }] : [] },
    }));
    keystone.routes.set('/endpoints', ({ searchParams }) => ({
      status: 200,
      body: { endpoints: searchParams.get('interface') === 'public' ? [endpoint] : [] },
    }));
    keystone.routes.set('/registered_limits', (url) => ({
      status: 200,
      body: {
        registered_limits: Object.entries(isOfService(url) ? registered : {}).map(
          ([resource_name, default_limit]) => ({ resource_name, default_limit }),
        ),
      },
    }));
    keystone.routes.set('/limits', (url) => {
      const project_id = url.searchParams.get('project_id') ?? '';
      const limits = isOfService(url) ? (ofProjects[project_id] ?? {}) : {};
      const rows = Object.entries(limits).map(([resource_name, resource_limit]) => ({
        resource_name,
        resource_limit,
        project_id,
      }));
      return { status: 200, body: { limits: rows } };
    });
    sourceBytes = Buffer.alloc(0);
    source = http.createServer((req, res) => {
      res.writeHead(200, { 'Content-Length': sourceBytes.length });
      res.end(req.method === 'HEAD' ? undefined : sourceBytes);
    });
    await new Promise<void>((resolve) => source.listen(0, '127.0.0.1', resolve));
  });

  afterEach(async () => {
    await server?.close();
    server = undefined;
    await keystone.stop();
    source.closeAllConnections();
    await new Promise((resolve) => source.close(resolve));
  });

  const sourceUrl = (path = 'disk'): string =>
    `http://127.0.0.1:${(source.address() as AddressInfo).port}/${path}`;

  async function start(...flags: string[]): Promise<TestApi> {
    server = await startTestApi(
      '--use-keystone-limits=true',
      `--oslo-limit-auth-url=${keystone.url}`,
      '--oslo-limit-username=glance',
      '--oslo-limit-password=secret',
      '--oslo-limit-system-scope=all',
      '--oslo-limit-limit-cache-time=0',
      ...(flags.some((flag) => flag.includes('endpoint-'))
        ? []
        : [`--oslo-limit-endpoint-id=${ENDPOINT}`]),
      '--show-multiple-locations=true',
      '--glance-store-stores=memory,http',
      '--glance-store-http-store-allowed-networks=127.0.0.0/8',
      `--glance-store-http-store-allowed-ports=${new URL(sourceUrl()).port}`,
      ...flags,
    );
    return server;
  }

  const as = (token: string) => {
    if (!server) throw new Error('there is no server');
    return request.agent(server.url).set('x-auth-token', token);
  };
  const create = (token = ALICE, body: object = FORMATS) => as(token).post('/v2/images').send(body);
  const created = async (token = ALICE): Promise<string> =>
    (await create(token).expect(201)).body.id as string;
  const put = (id: string, token = ALICE) =>
    as(token).put(`/v2/images/${id}/file`).set('content-type', 'application/octet-stream');
  const chunked = (id: string, bytes: number) =>
    fetch(`${server?.url}/v2/images/${id}/file`, {
      method: 'PUT',
      headers: { 'x-auth-token': ALICE, 'content-type': 'application/octet-stream' },
      body: new Blob([Buffer.alloc(bytes)]).stream(),
      duplex: 'half',
    });
  const post = (headers: object = {}, token = ALICE) =>
    as(token)
      .post('/v1/images')
      .set({ ...RAW, ...headers });
  const statusOf = async (id: string): Promise<unknown> =>
    (await as(ADMIN).get(`/v2/images/${id}`).expect(200)).body.status;
  const usage = async (token = ALICE) =>
    (await as(token).get('/v2/info/usage').expect(200)).body.usage;
  const over = (name: string, limit: number, current: number, delta: number) =>
    `Resource ${name} is over limit of ${limit} due to current usage ${current} and delta ${delta}`;

  it('are told with what is used of them, to each project its own', async () => {
    registered = { image_size_total: 10, image_count_total: 5, image_count_uploading: -1 };
    ofProjects = { demo: { image_count_total: 7 } };
    await start();
    const id = await created();
    await put(id)
      .send(Buffer.alloc(3 * MIB))
      .expect(204);
    await created();
    expect(await usage()).toEqual({
      image_size_total: { usage: 3, limit: 10 },
      image_stage_total: { usage: 0, limit: 0 },
      image_count_total: { usage: 2, limit: 7 },
      image_count_uploading: { usage: 0, limit: -1 },
    });
    expect(await usage(BOB)).toMatchObject({
      image_size_total: { usage: 0, limit: 10 },
      image_count_total: { usage: 0, limit: 5 },
    });
  });

  it.each([
    ['type', '--oslo-limit-endpoint-service-type=image', 1000],
    ['a type that nothing has', '--oslo-limit-endpoint-service-type=compute', undefined],
  ])("are found by the endpoint's service: %s", async (_what, flag, limit) => {
    await start(flag, `--oslo-limit-endpoint-region-name=${REGION}`);
    const answer = await as(ALICE).get('/v2/info/usage');
    expect(answer.status).toBe(limit === undefined ? 500 : 200);
    expect(answer.body.usage?.image_count_total?.limit).toBe(limit);
  });

  it('refuse one image too many, and let one be made when another is gone', async () => {
    registered = plenty({ image_count_total: 2 });
    await start();
    const id = await created();
    await post().expect(201);
    const text = over('image_count_total', 2, 2, 1);
    expect((await create().expect(413)).text).toContain(text);
    expect((await post().expect(413)).text).toContain(text);
    expect((await post({ 'x-image-meta-size': '0' }).expect(413)).text).toContain(text);
    const withData = post({ 'content-type': 'application/octet-stream' }).send('data');
    expect((await withData.expect(413)).text).toContain(text);
    await created(BOB);
    await as(ALICE).delete(`/v2/images/${id}`).expect(204);
    await created();
    expect((await as(ALICE).get('/v2/images')).body.images).toHaveLength(2);
  });

  it('are those of the project that owns the image, whoever asks', async () => {
    registered = plenty({ image_count_total: 1, image_size_total: 1 });
    ofProjects = { ops: plenty() };
    await start();
    await create(ADMIN, { ...FORMATS, owner: 'demo' }).expect(201);
    await create(ADMIN, { ...FORMATS, owner: 'demo' }).expect(413);
    await post({ 'x-image-meta-owner': 'demo' }, ADMIN).expect(413);
    await create(ADMIN).expect(201);
    const id = await created(BOB);
    await put(id, ADMIN)
      .send(Buffer.alloc(MIB + 1))
      .expect(413);
    await put(id, ADMIN).send(Buffer.alloc(MIB)).expect(204);
  });

  it('refuse data that is too much, announced or not, and leave the image queued', async () => {
    registered = plenty({ image_size_total: 5 });
    await start();
    await put(await created())
      .send(Buffer.alloc(3 * MIB))
      .expect(204);
    const id = await created();
    const text = over('image_size_total', 5, 3, 3);
    expect(
      (
        await put(id)
          .send(Buffer.alloc(3 * MIB))
          .expect(413)
      ).text,
    ).toContain(text);
    const streamed = await chunked(id, 3 * MIB);
    expect(streamed.status).toBe(413);
    expect(await streamed.text()).toContain(text);
    expect(await statusOf(id)).toBe('queued');
    const upload = { 'content-type': 'application/octet-stream' };
    expect(
      (
        await post(upload)
          .send(Buffer.alloc(3 * MIB))
          .expect(413)
      ).text,
    ).toContain(text);
    expect((await chunked(id, 2 * MIB)).status).toBe(204);
    // A limit that is lowered takes nothing away, and adds nothing.
    registered = plenty({ image_size_total: 2 });
    const another = await created();
    const lowered = over('image_size_total', 2, 5, 1);
    expect((await put(another).send('x').expect(413)).text).toContain(lowered);
    registered = plenty({ image_size_total: -1 });
    await put(another).send('x').expect(204);
  });

  it('refuse data from elsewhere that is too much', async () => {
    registered = plenty({ image_size_total: 1 });
    await start();
    sourceBytes = Buffer.alloc(MIB + 1);
    const text = over('image_size_total', 1, 0, 2);
    const refused = async (call: request.Test) =>
      expect((await call.expect(413)).text).toContain(text);
    for (const header of ['x-glance-api-copy-from', 'x-image-meta-location']) {
      const external = { [header]: sourceUrl() };
      await refused(post(external));
      const { id } = (await post().expect(201)).body.image;
      await refused(as(ALICE).put(`/v1/images/${id}`).set(external));
    }
    const id = await created();
    await refused(as(ALICE).post(`/v2/images/${id}/locations`).send({ url: sourceUrl() }));
    const value = { url: sourceUrl(), metadata: {} };
    const patch = (path: string, location: object) =>
      as(ALICE)
        .patch(`/v2/images/${id}`)
        .set('content-type', PATCH)
        .send(JSON.stringify([{ op: 'add', path, value: location }]));
    await refused(patch('/locations/-', value));
    expect(await statusOf(id)).toBe('queued');
    sourceBytes = Buffer.alloc(MIB);
    await patch('/locations/-', value).expect(200);
    expect(await usage()).toMatchObject({ image_size_total: { usage: 1, limit: 1 } });
    expect((await patch('/locations/-', { url: sourceUrl('b'), metadata: {} })).status).toBe(413);
    await patch('/name', 'data is what is limited' as unknown as object).expect(200);
  });

  it('let copies through that fit, and count them', async () => {
    registered = plenty({ image_size_total: 1 });
    await start();
    sourceBytes = Buffer.alloc(MIB);
    const { id } = (await post({ 'x-glance-api-copy-from': sourceUrl() }).expect(201)).body.image;
    for (;;) {
      const status = await statusOf(id);
      if (status === 'active') break;
      expect(['queued', 'saving']).toContain(status);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    await post({ 'x-glance-api-copy-from': sourceUrl() }).expect(413);
  });

  it('refuse one upload too many at a time', async () => {
    registered = plenty({ image_count_uploading: 1 });
    await start();
    const [first, second] = [await created(), await created()];
    const slow = http.request(`${server?.url}/v2/images/${first}/file`, {
      method: 'PUT',
      headers: { 'x-auth-token': ALICE, 'content-type': 'application/octet-stream' },
    });
    const answer = new Promise<number | undefined>((resolve, reject) => {
      slow.on('response', (res) => resolve(res.resume().statusCode)).on('error', reject);
    });
    slow.write('half');
    while ((await statusOf(first)) !== 'saving') await new Promise(setImmediate);
    const text = over('image_count_uploading', 1, 2, 0);
    expect((await put(second).send('data').expect(413)).text).toContain(text);
    expect(await statusOf(second)).toBe('queued');
    const upload = { 'content-type': 'application/octet-stream' };
    expect((await post(upload).send('data').expect(413)).text).toContain(text);
    sourceBytes = Buffer.from('data');
    expect((await post({ 'x-glance-api-copy-from': sourceUrl() }).expect(413)).text).toContain(
      text,
    );
    expect(await usage()).toMatchObject({ image_count_uploading: { usage: 1, limit: 1 } });
    await put(await created(BOB), BOB)
      .send('data')
      .expect(204);
    slow.end('other half');
    expect(await answer).toBe(204);
    await put(second).send('data').expect(204);
  });

  it('switch user_storage_quota off', async () => {
    await start('--user-storage-quota=1');
    await put(await created())
      .send('more than one byte')
      .expect(204);
  });

  it('are asked for once in a while for each project', async () => {
    registered = plenty({ image_count_total: 3 });
    await start('--oslo-limit-limit-cache-time=300');
    await Promise.all([created(), created(), usage()]);
    await created(BOB);
    await created();
    expect((await create().expect(413)).status).toBe(413);
    const asked = keystone.requests.map((path) => new URL(path, keystone.url));
    expect(asked.map(({ pathname }) => pathname)).toEqual([
      `/v3/endpoints/${ENDPOINT}`,
      '/v3/registered_limits',
      '/v3/limits',
      '/v3/limits',
    ]);
    const projects = asked.map(({ searchParams }) => searchParams.get('project_id'));
    expect(projects.slice(2)).toEqual(['demo', 'other']);
  });

  it('hold up only what they limit when Keystone is away', async () => {
    await start('--oslo-limit-http-request-max-retries=0');
    const id = await created();
    keystone.failWith = 503;
    await create().expect(503);
    await post().expect(503);
    await put(id).send('data').expect(503);
    await as(ALICE).get('/v2/info/usage').expect(503);
    await as(ALICE).get('/v2/images').expect(200);
    expect(await statusOf(id)).toBe('queued');
    const rename = JSON.stringify([{ op: 'replace', path: '/name', value: 'new' }]);
    await as(ALICE).patch(`/v2/images/${id}`).set('content-type', PATCH).send(rename).expect(200);
    keystone.failWith = undefined;
    await put(id).send('data').expect(204);
    await as(ALICE).delete(`/v2/images/${id}`).expect(204);
  });

  it.each([
    ['the password is wrong', () => (keystone.password = 'another')],
    ['the endpoint is not there', () => keystone.routes.delete(`/endpoints/${ENDPOINT}`)],
    [
      'the user may not ask',
      () => keystone.routes.set('/limits', () => ({ status: 403, body: {} })),
    ],
    [
      'something else answers',
      () => keystone.routes.set('/limits', () => ({ status: 200, body: {} })),
    ],
  ])('are a fault of the service when %s', async (_what, spoil) => {
    await start();
    spoil();
    const { text } = await create().expect(500);
    expect(text).not.toMatch(/secret|another|glance|127\.0\.0\.1/);
    await as(ALICE).get('/v2/info/usage').expect(500);
    await as(ALICE).get('/v2/images').expect(200);
  });

  it('are not handed to a registry that would not enforce them', async () => {
    const { registry, url } = await start();
    const { contract } = registry;
    registry.contract = async () => ({ contract: { major: 1, minor: 5 }, release: 'old' });
    expect((await create().expect(500)).text).toContain('use_keystone_limits needs 1.6');
    await request(url).get('/readyz').expect(503);
    registry.contract = contract;
    await created();
  });

  it('need to be told where they are', async () => {
    const flags = ['--use-keystone-limits=true', '--oslo-limit-username=glance'];
    await expect(startTestApi(...flags)).rejects.toThrow('[oslo_limit] endpoint_id is not set');
    const named = [...flags, '--oslo-limit-endpoint-id=e'];
    await expect(startTestApi(...named)).rejects.toThrow('[oslo_limit] auth_url is not set');
  });
});
