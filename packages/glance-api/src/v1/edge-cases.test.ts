import { randomUUID } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { DomainError } from '@glance/common';
import { MemoryDriver, StoreSet } from '@glance/stores';
import request from 'supertest';
import { startTestApi, startTestApiWith, type TestApi } from '../testing/test-api';

/**
 * Numbers are those of the api-v1 sheet §11. Cases that are not here carry their number where the
 * thing is tested: `grep -rn '§11\.' packages test-e2e`.
 */

const USER = 'alice:project-a:member';
const OTHER = 'bob:project-b:member';
const ADMIN = 'root:admin:admin';
const OCTETS = { 'content-type': 'application/octet-stream' };
const RAW = { 'x-image-meta-disk_format': 'raw', 'x-image-meta-container_format': 'bare' };
const DATA = Buffer.from('the bytes of an image');

describe('v1 edge cases', () => {
  let server: TestApi;

  beforeEach(async () => {
    server = await startTestApi();
  });

  afterEach(async () => {
    await server.close();
  });

  async function restart(...flags: string[]): Promise<void> {
    await server.close();
    server = await startTestApi(...flags);
  }

  const as = (token: string) => {
    const agent = request.agent(server.url);
    agent.set('X-Auth-Token', token);
    return agent;
  };

  async function reserved(headers: Record<string, string> = {}, token = USER): Promise<string> {
    const answer = await as(token).post('/v1/images').set(headers).expect(201);
    return answer.body.image.id;
  }

  async function uploaded(headers: Record<string, string> = {}, token = USER): Promise<string> {
    const answer = await as(token)
      .post('/v1/images')
      .set({ ...OCTETS, ...RAW, ...headers })
      .send(DATA)
      .expect(201);
    return answer.body.image.id;
  }

  const statusOf = async (id: string): Promise<string> => {
    const head = await as(ADMIN).head(`/v1/images/${id}`).expect(200);
    return String(head.headers['x-image-meta-status']);
  };

  const listed = async (query: string, token = USER): Promise<string[]> => {
    const answer = await as(token).get(`/v1/images?${query}`).expect(200);
    return answer.body.images.map(({ id }: { id: string }) => id);
  };

  it.each(['new', 'detail.xxx', `${randomUUID()}/members.xxx`])(
    '§11.5: GET /v1/images/%s finds nothing',
    async (path) => {
      await as(USER).get(`/v1/images/${path}`).expect(404);
      await as(USER).get('/v1/images.xxx').expect(404);
    },
  );

  it.each([
    ['x-image-meta-disk_format', 'ami'],
    ['x-image-meta-disk_format', 'ari'],
    ['x-image-meta-container_format', 'aki'],
  ])('§11.6: %s: %s names the other format too, also on PUT', async (header, format) => {
    const both = { disk_format: format, container_format: format };
    const created = await as(USER).post('/v1/images').set(header, format).expect(201);
    expect(created.body.image).toMatchObject(both);
    const id = await reserved(RAW);
    const changed = await as(USER).put(`/v1/images/${id}`).set(header, format).expect(200);
    expect(changed.body.image).toMatchObject(both);
  });

  it.each([
    // §11.7
    [{ 'x-image-meta-disk_format': 'aki', 'x-image-meta-container_format': 'ami' }, 'Invalid mix'],
    // §11.8
    [{ 'x-image-meta-disk_format': 'wrong' }, 'Invalid disk format'],
    [{ 'x-image-meta-container_format': 'wrong' }, 'Invalid container format'],
    // §11.9
    [{ 'x-image-meta-created_at': '-42' }, 'Invalid time format for created_at'],
    [{ 'x-image-meta-created_at': 'foo' }, 'Invalid time format for created_at'],
    [{ 'x-image-meta-created_at': '1100' }, 'Invalid time format for created_at'],
    [{ 'x-image-meta-created_at': '2012-01-01hey12:32:12' }, 'Invalid time format'],
    // §11.10
    [{ 'x-image-meta-min_disk': '-42' }, 'Invalid value'],
    [{ 'x-image-meta-min_ram': '-42' }, 'Invalid value'],
    [{ 'x-image-meta-min_disk': '2147483648' }, "'min_disk' value out of range"],
    [{ 'x-image-meta-min_ram': '2147483648' }, "'min_ram' value out of range"],
    // §11.11
    [{ 'x-image-meta-size': 'invalid' }, "Cannot convert image size 'invalid' to an integer."],
    [{ 'x-image-meta-size': '-10' }, 'Cannot be a negative value.'],
    // §11.12
    [{ 'x-image-meta-name': 'n'.repeat(256) }, 'Image name too long'],
    [{ 'x-image-meta-checksum': 'c'.repeat(42) }, 'Invalid checksum'],
  ])('§11.7-12: POST and PUT of %j are 400', async (headers, text) => {
    const id = await reserved();
    for (const call of [as(USER).post('/v1/images'), as(USER).put(`/v1/images/${id}`)]) {
      const refused = await call.set(headers).expect(400);
      expect(refused.text).toContain(text);
    }
    expect(await listed('')).toEqual([id]);
  });

  it('§11.10: the largest min_disk and min_ram are accepted', async () => {
    const largest = { 'x-image-meta-min_disk': '2147483647', 'x-image-meta-min_ram': '2147483647' };
    const id = await reserved(largest);
    const put = await as(USER).put(`/v1/images/${id}`).set(largest).expect(200);
    expect(put.body.image).toMatchObject({ min_disk: 2147483647, min_ram: 2147483647 });
  });

  it('§11.13: a POST of nothing reserves an image, and shows no location', async () => {
    const answer = await as(USER).post('/v1/images').expect(201);
    expect(answer.body.image).toMatchObject({ status: 'queued', size: 0, checksum: null });
    expect(answer.body.image).not.toHaveProperty('location');
  });

  it('§11.15: more than image_size_cap is refused on PUT as on POST', async () => {
    await restart('--image-size-cap=10');
    const id = await reserved(RAW);
    const put = (headers: Record<string, string>, body?: Buffer | ReadableStream<Uint8Array>) =>
      fetch(`${server.url}/v1/images/${id}`, {
        method: 'PUT',
        headers: { 'x-auth-token': USER, ...OCTETS, ...headers },
        ...(body === undefined ? {} : { body, duplex: 'half' }),
      });
    for (const refused of [await put({ 'x-image-meta-size': '11' }), await put({}, DATA)]) {
      expect(refused.status).toBe(400);
      expect(await refused.text()).toContain(
        'Denying attempt to upload image larger than 10 bytes.',
      );
    }
    expect(await statusOf(id)).toBe('queued');
    expect((await put({}, new Blob([DATA]).stream())).status).toBe(413);
    expect(await statusOf(id)).toBe('killed');
  });

  it('§11.19: an unknown store is refused with and without data', async () => {
    for (const body of [undefined, DATA]) {
      const refused = await as(USER)
        .post('/v1/images')
        .set({ ...RAW, ...OCTETS, 'x-image-meta-store': 'bad' })
        .send(body)
        .expect(400);
      expect(refused.text).toContain('Required store bad is invalid');
    }
    expect(await listed('')).toEqual([]);
  });

  it('§11.28: a PUT of data keeps the properties that it does not name', async () => {
    const id = await reserved({ ...RAW, 'x-image-meta-property-key1': 'value1' });
    const filled = await as(USER)
      .put(`/v1/images/${id}`)
      .set({ ...OCTETS, 'x-image-meta-property-key2': 'value2' })
      .send(DATA)
      .expect(200);
    expect(filled.body.image).toMatchObject({
      status: 'active',
      properties: { key1: 'value1', key2: 'value2' },
    });
  });

  it('§11.31: a PUT of more properties than allowed changes nothing', async () => {
    await restart('--image-property-quota=10');
    const id = await reserved({ 'x-image-meta-property-a': '1' });
    const eleven = Object.fromEntries(
      Array.from({ length: 11 }, (_, index) => [`x-image-meta-property-p${index}`, 'v']),
    );
    const refused = await as(USER).put(`/v1/images/${id}`).set(eleven).expect(413);
    expect(refused.text).toContain('Attempted: 11, Maximum: 10');
    const head = await as(USER).head(`/v1/images/${id}`).expect(200);
    expect(head.headers['x-image-meta-property-a']).toBe('1');
    await as(USER).post('/v1/images').set(eleven).expect(413);
  });

  it('§10: a negative image_property_quota is no limit', async () => {
    await restart('--image-property-quota=-1');
    const many = Object.fromEntries(
      Array.from({ length: 200 }, (_, index) => [`x-image-meta-property-p${index}`, 'v']),
    );
    await reserved(many);
  });

  it('§10: limit_param_default and api_limit_max bound a page', async () => {
    await restart('--limit-param-default=1', '--api-limit-max=2');
    for (let count = 0; count < 3; count += 1) await reserved();
    expect(await listed('')).toHaveLength(1);
    expect(await listed('limit=3')).toHaveLength(2);
  });

  it.each(['active', 'deactivated'] as const)(
    '§11.34: the checksum of an %s image is changed by admins only',
    async (status) => {
      const id = await uploaded();
      server.registry.overwrite(id, { status });
      const put = (token: string) =>
        as(token).put(`/v1/images/${id}`).set('x-image-meta-checksum', 'abc');
      const refused = await put(USER).expect(403);
      expect(refused.text).toContain(`Forbidden to modify 'checksum' of ${status} image`);
      expect((await put(ADMIN).expect(200)).body.image.checksum).toBe('abc');
    },
  );

  it('§11.35: a PUT of a deleted image is forbidden, of an unknown one finds nothing', async () => {
    const id = await reserved();
    await as(USER).delete(`/v1/images/${id}`).expect(200);
    const refused = await as(ADMIN).put(`/v1/images/${id}`).expect(403);
    expect(refused.text).toContain('Forbidden to update deleted image');
    await as(ADMIN).put(`/v1/images/${randomUUID()}`).expect(404);
  });

  it('§11.37-38: DELETE answers without Location, and finds nothing the second time', async () => {
    const id = await uploaded();
    const answer = await as(USER).delete(`/v1/images/${id}`).expect(200);
    expect(answer.headers).not.toHaveProperty('location');
    expect(answer.text).toBe('');
    await as(USER).delete(`/v1/images/${id}`).expect(404);
    const again = await as(ADMIN).delete(`/v1/images/${id}`).expect(404);
    expect(again.text).toContain(`Image ${id} not found.`);
  });

  it('§11.39: an image without data is deleted at once, also with delayed_delete', async () => {
    await restart('--delayed-delete');
    const id = await reserved();
    await as(USER).delete(`/v1/images/${id}`).expect(200);
    expect(await statusOf(id)).toBe('deleted');
  });

  it('§11.40: a public image of another project stays, and can be downloaded', async () => {
    const id = await uploaded({ 'x-image-meta-is_public': 'True' }, ADMIN);
    await as(OTHER).delete(`/v1/images/${id}`).expect(403);
    await as(OTHER).get(`/v1/images/${id}`).expect(200);
  });

  it('§11.51: changes-since understands offsets and bare dates', async () => {
    const id = await reserved();
    await as(USER).delete(`/v1/images/${id}`).expect(200);
    const naive = (offsetHours: number): string =>
      new Date(Date.now() + offsetHours * 3_600_000).toISOString().slice(0, 19);
    // An hour ago and in an hour, told by clocks an hour ahead of and behind UTC.
    for (const past of [
      `${naive(0)}%2B01:00`,
      `${naive(-2)}-01:00`,
      '2020-01-01',
      '20200101',
      '2020-0101',
    ]) {
      expect([past, await listed(`changes-since=${past}`)]).toEqual([past, [id]]);
    }
    for (const future of [`${naive(2)}%2B01:00`, `${naive(0)}-01:00`]) {
      expect([future, await listed(`changes-since=${future}`)]).toEqual([future, []]);
    }
  });

  it('§11.53: protected is true or false in any case', async () => {
    const open = await reserved();
    const kept = await reserved({ 'x-image-meta-protected': 'True' });
    expect(await listed('protected=FALSE')).toEqual([open]);
    expect(await listed('protected=tRue')).toEqual([kept]);
    expect(await listed('protected=1')).toEqual([kept]);
  });

  it('§11.60: a DELETE of a blank id finds nothing', async () => {
    await as(USER).delete('/v1/images/').expect(404);
  });

  it('§11.62: no header and no key tells where the data is', async () => {
    const id = await uploaded();
    const { headers } = await as(ADMIN).head(`/v1/images/${id}`).expect(200);
    const names = Object.keys(headers).filter((name) => name.startsWith('x-image-meta-'));
    expect(names).toContain('x-image-meta-checksum');
    expect(names.filter((name) => /locat|direct|url/.test(name))).toEqual([]);
    const detail = await as(ADMIN).get('/v1/images/detail?is_public=none').expect(200);
    expect(detail.text).not.toMatch(/locat|direct|memory:/);
  });

  it('§11.64: text of properties comes back as UTF-8', async () => {
    const text = Buffer.from('Ünïcode ☃').toString('latin1');
    const id = await reserved({ 'x-image-meta-name': text, 'x-image-meta-property-a': text });
    const { headers } = await as(USER).head(`/v1/images/${id}`).expect(200);
    expect(headers['x-image-meta-name']).toBe(text);
    expect(headers['x-image-meta-property-a']).toBe(text);
  });

  it('§2.3: Range and If-None-Match are ignored: all of the data is sent', async () => {
    const id = await uploaded();
    const etag = String((await as(USER).head(`/v1/images/${id}`)).headers['etag']);
    const answer = await as(USER)
      .get(`/v1/images/${id}`)
      .set({ range: 'bytes=0-1', 'if-none-match': etag })
      .expect(200);
    expect(Buffer.from(answer.body).equals(DATA)).toBe(true);
    expect(answer.headers).not.toHaveProperty('content-md5');
  });

  it('§2.4: what the image forbids comes before quotas', async () => {
    await restart('--image-property-quota=0');
    const id = await uploaded();
    const property = { 'x-image-meta-property-a': '1' };
    await as(USER)
      .put(`/v1/images/${id}`)
      .set({ ...OCTETS, ...property })
      .send(DATA)
      .expect(409);
    await as(USER)
      .put(`/v1/images/${id}`)
      .set({ 'x-image-meta-status': 'queued', ...property })
      .expect(403);
    await as(USER).put(`/v1/images/${id}`).set(property).expect(413);
  });

  it('§2.5: a PUT without data never activates an image', async () => {
    const id = await reserved(RAW);
    const answer = await as(USER).put(`/v1/images/${id}`).set('x-image-meta-size', '0').expect(200);
    expect(answer.body.image.status).toBe('queued');
  });

  it('§2.7: a member may see an image and neither change nor delete it', async () => {
    const id = await reserved();
    await as(USER).put(`/v1/images/${id}/members/project-b`).expect(204);
    await as(OTHER).head(`/v1/images/${id}`).expect(200);
    await as(OTHER).put(`/v1/images/${id}`).set('x-image-meta-name', 'mine').expect(404);
    await as(OTHER).delete(`/v1/images/${id}`).expect(404);
  });

  it('§2.1: a method that the API does not know is 501 on a path that it does not know', async () => {
    const answer = await fetch(`${server.url}/v1/nothing`, {
      method: 'PROPFIND',
      headers: { 'x-auth-token': USER },
    });
    expect(answer.status).toBe(501);
    expect(await answer.text()).toContain('<h1>501 Not Implemented</h1>');
    await as(USER).patch('/v1/nothing').expect(404);
  });

  it('a checksum that no hash has is stored and given back like any text', async () => {
    const odd = Buffer.from('☃').toString('latin1');
    const created = await as(USER)
      .post('/v1/images')
      .set({ 'x-image-meta-checksum': odd, 'x-image-meta-size': '0' })
      .expect(201);
    const { id, checksum } = created.body.image;
    expect(checksum).toBe('☃');
    await as(USER).put(`/v1/images/${id}`).set('x-image-meta-name', 'x').expect(200);
    await as(USER).head(`/v1/images/${id}`).expect('etag', odd).expect(200);
  });
});

describe('v1 over a store that fails', () => {
  let server: TestApi;
  let stores: StoreSet;
  let driver: MemoryDriver;

  async function start(store: MemoryDriver): Promise<void> {
    driver = store;
    stores = await StoreSet.create(
      { stores: [{ id: 'memory', type: 'memory', options: {} }], defaultStoreId: 'memory' },
      {
        warn: () => undefined,
        types: { memory: { options: {}, create: () => Promise.resolve(driver) } },
      },
    );
    server = await startTestApiWith({ stores });
  }

  afterEach(async () => {
    await server.close();
    await stores.close();
  });

  const call = (
    method: string,
    path: string,
    headers: Record<string, string> = {},
    body?: Buffer,
  ) =>
    fetch(`${server.url}/v1/images${path}`, {
      method,
      headers: { 'x-auth-token': ADMIN, ...headers },
      ...(body === undefined ? {} : { body }),
    });
  const upload = (id: string, body: Buffer = DATA) =>
    call('POST', '', { ...OCTETS, ...RAW, 'x-image-meta-id': id }, body);
  const statusOf = async (id: string): Promise<string | null> =>
    (await call('HEAD', `/${id}`)).headers.get('x-image-meta-status');

  it.each([
    ['store_delete_denied', 403],
    ['store_in_use', 409],
  ] as const)('§11.41: a deletion that it refuses (%s) is undone', async (code, status) => {
    await start(new MemoryDriver());
    const id = randomUUID();
    expect((await upload(id)).status).toBe(201);
    driver.breakWith(new DomainError(code, 'The store does not give the data up'));
    expect((await call('DELETE', `/${id}`)).status).toBe(status);
    driver.breakWith(undefined);
    expect(await statusOf(id)).toBe('active');
    expect((await call('GET', `/${id}`)).status).toBe(200);
  });

  it('§11.42: a store that takes no data is 410, and the image is killed', async () => {
    const readOnly = { add: false, delete: true, partialRead: true };
    await start(Object.assign(new MemoryDriver(), { capabilities: readOnly }));
    const id = randomUUID();
    expect((await upload(id)).status).toBe(410);
    expect(await statusOf(id)).toBe('killed');
  });

  it.each([
    ['store_failed', 500],
    ['store_unavailable', 503],
    ['store_full', 413],
    ['store_write_denied', 503],
  ] as const)('§11.42: an upload that ends in %s is %d, and killed', async (code, status) => {
    await start(new MemoryDriver());
    driver.breakWith(new DomainError(code, 'It does not work'));
    const id = randomUUID();
    expect((await upload(id)).status).toBe(status);
    expect(await statusOf(id)).toBe('killed');
    expect(driver.locations).toEqual([]);
    // It does not stand in the way of anything.
    expect((await call('DELETE', `/${id}`)).status).toBe(200);
  });

  it('an upload of what is not safe is 400, and killed', async () => {
    await start(new MemoryDriver());
    const id = randomUUID();
    const refused = await upload(id, Buffer.from('QED\0 whatever follows'));
    expect(refused.status).toBe(400);
    expect(await refused.text()).toContain('this format is not accepted');
    expect(await statusOf(id)).toBe('killed');
    expect(driver.locations).toEqual([]);
  });

  it('§11.43: an image that is deleted while its upload fails stays deleted', async () => {
    await start(new MemoryDriver());
    const id = randomUUID();
    let feed: ReadableStreamDefaultController<Uint8Array> | undefined;
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => void (feed = controller),
    });
    const attempt = fetch(`${server.url}/v1/images`, {
      method: 'POST',
      headers: { 'x-auth-token': ADMIN, ...OCTETS, ...RAW, 'x-image-meta-id': id },
      body,
      duplex: 'half',
    });
    feed?.enqueue(DATA);
    while ((await statusOf(id)) !== 'saving');
    expect((await call('DELETE', `/${id}`)).status).toBe(200);
    driver.breakWith(new DomainError('store_failed', 'It does not work'));
    feed?.enqueue(DATA);
    feed?.close();
    expect((await attempt).status).toBe(412);
    expect(await statusOf(id)).toBe('deleted');
    expect(driver.locations).toEqual([]);
  });

  it('§11.44: of uploads at once one wins, and the data of the others is gone', async () => {
    await start(new MemoryDriver());
    const id = randomUUID();
    await call('POST', '', { ...RAW, 'x-image-meta-id': id });
    const put = () => call('PUT', `/${id}`, OCTETS, DATA);
    const answers = await Promise.all([put(), put(), put()]);
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 409, 409]);
    expect(driver.locations).toHaveLength(1);
    expect(await statusOf(id)).toBe('active');
  });
});

describe('v1 over files', () => {
  it('§11.49: HEAD works when the data was removed behind the service, GET finds none', async () => {
    const directory = await mkdtemp(path.join(os.tmpdir(), 'glance-edge-'));
    const server = await startTestApi(
      '--glance-store-stores=file',
      '--glance-store-default-store=file',
      `--glance-store-filesystem-store-datadir=${directory}`,
    );
    try {
      const id = randomUUID();
      const api = request.agent(server.url).set('X-Auth-Token', USER);
      await api
        .post('/v1/images')
        .set({ ...OCTETS, ...RAW, 'x-image-meta-id': id })
        .send(DATA)
        .expect(201);
      expect(await readdir(directory)).toContain(id);
      await rm(path.join(directory, id));
      const head = await api.head(`/v1/images/${id}`).expect(200);
      expect(head.headers['x-image-meta-status']).toBe('active');
      await api.get(`/v1/images/${id}`).expect(404);
    } finally {
      await server.close();
      await rm(directory, { recursive: true });
    }
  });
});
