import { createHash } from 'node:crypto';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { DomainError } from '@glance/common';
import request from 'supertest';
import { startTestApi, type TestApi } from '../testing/test-api';

const ALICE = 'alice:demo:member';
const ADMIN = 'root:admin:admin';
const FORMATS = { disk_format: 'raw', container_format: 'bare' };
const DATA = 'the bytes of an image';
const SHA512 = createHash('sha512').update(DATA).digest('hex');
const MD5 = createHash('md5').update(DATA).digest('hex');
const SAID = { os_hash_algo: 'sha512', os_hash_value: SHA512, checksum: MD5 };

interface Place {
  url: string;
  metadata: Record<string, unknown>;
  validation_data?: object;
}

describe('locations in PATCH /v2/images/{id}', () => {
  let source: http.Server;
  let base: string;
  let server: TestApi;

  const startApi = (...flags: string[]): Promise<TestApi> =>
    startTestApi(
      '--glance-store-stores=memory,http',
      '--glance-store-http-store-allowed-networks=127.0.0.0/8',
      `--glance-store-http-store-allowed-ports=${new URL(base).port}`,
      ...flags,
    );

  beforeAll(async () => {
    source = http.createServer((req, res) => {
      if (req.url === '/none') {
        res.writeHead(404).end();
        return;
      }
      const data = req.url === '/empty' ? '' : req.url === '/longer' ? `${DATA}!` : DATA;
      res.writeHead(200, { 'Content-Length': data.length });
      res.end(req.method === 'HEAD' ? undefined : data);
    });
    await new Promise<void>((resolve) => source.listen(0, '127.0.0.1', resolve));
    base = `http://127.0.0.1:${(source.address() as AddressInfo).port}`;
    server = await startApi('--show-multiple-locations=true', '--show-image-direct-url=true');
  });

  afterAll(async () => {
    await server.close();
    source.closeAllConnections();
    await new Promise((resolve) => source.close(resolve));
  });

  const as = (token: string, api = server) => request.agent(api.url).set('x-auth-token', token);
  const create = async (body: object = FORMATS, api = server): Promise<string> =>
    (await as(ALICE, api).post('/v2/images').send(body).expect(201)).body.id;
  const show = async (id: string, token = ALICE) =>
    (await as(token).get(`/v2/images/${id}`).expect(200)).body;
  const patch = (id: string, operations: object[], token = ALICE, api = server) =>
    as(token, api)
      .patch(`/v2/images/${id}`)
      .set('content-type', 'application/openstack-images-v2.1-json-patch')
      .send(JSON.stringify(operations));
  const at = (path: string, metadata: Place['metadata'] = {}): Place => ({
    url: `${base}/${path}`,
    metadata,
  });
  const add = (place: Place, position: number | string = '-') => ({
    op: 'add',
    path: `/locations/${position}`,
    value: place,
  });
  const replace = (...places: Place[]) => ({ op: 'replace', path: '/locations', value: places });
  const remove = (position: number | string) => ({ op: 'remove', path: `/locations/${position}` });
  /** An active image with these places. */
  async function located(...places: Place[]): Promise<string> {
    const id = await create();
    await patch(id, [replace(...places)]).expect(200);
    return id;
  }
  /** An active image whose data is in our own store. */
  async function uploaded(): Promise<string> {
    const id = await create();
    const upload = as(ALICE).put(`/v2/images/${id}/file`);
    await upload.set('content-type', 'application/octet-stream').send(DATA).expect(204);
    return id;
  }

  it('make a queued image active, together with other changes', async () => {
    const id = await create({});
    const answer = await patch(id, [
      { op: 'replace', path: '/disk_format', value: 'raw' },
      { op: 'replace', path: '/container_format', value: 'bare' },
      add({ ...at('a'), validation_data: SAID }),
      add(at('b', { zone: '1' }), 0),
      { op: 'add', path: '/key', value: 'x' },
    ]).expect(200);
    expect(answer.body).toMatchObject({
      status: 'active',
      size: DATA.length,
      key: 'x',
      checksum: MD5,
      os_hash_algo: 'sha512',
      os_hash_value: SHA512,
      direct_url: at('b').url,
      locations: [at('b', { zone: '1' }), at('a')],
    });
    expect(await show(id)).toEqual(answer.body);
    expect((await as(ALICE).get(`/v2/images/${id}/file`).expect(200)).body.toString()).toBe(DATA);
  });

  it('are added where it is said, an index beyond the end at the end', async () => {
    const id = await located(at('a'));
    await patch(id, [add(at('b'), 0), add(at('c'), 99), add(at('d'), 1)]).expect(200);
    expect((await show(id)).locations).toEqual([at('b'), at('d'), at('a'), at('c')]);
    expect((await show(id)).checksum).toBeNull();
  });

  it('are replaced by the same with other metadata, in another order', async () => {
    const id = await located(at('a'), at('b'));
    const wanted = [at('b', { zone: '2' }), at('a')];
    expect((await patch(id, [replace(...wanted)]).expect(200)).body.locations).toEqual(wanted);
    await patch(id, [replace(at('a'))]).expect(400);
    await patch(id, [replace(at('a'), at('c'))]).expect(400);
    await patch(id, [replace(at('a'), at('b'), at('b'))]).expect(400);
    expect((await patch(id, [replace()]).expect(403)).text).toContain('empty');
    expect((await show(id)).locations).toEqual(wanted);
  });

  it.each([
    ['of no kind that can be read', 'file:///etc/passwd'],
    ['of no kind that can be read', 'file://'],
    ['of no kind that can be read', 'swift+config:///x'],
    ['of no kind that can be read', 'memory://x'],
    ['at a forbidden address', 'http://169.254.169.254/'],
    ['not there', 'none'],
    ['without data', 'empty'],
  ])('are refused when they are %s: %s', async (_why, given) => {
    const id = await create();
    const place = given.includes(':') ? { url: given, metadata: {} } : at(given);
    await patch(id, [add(place)]).expect(400);
    expect(await show(id)).toMatchObject({ status: 'queued', locations: [] });
  });

  it('are refused when they are there already or have other data', async () => {
    const id = await located(at('a'));
    await patch(id, [add(at('a'))]).expect(400);
    await patch(id, [add(at('longer'))]).expect(400);
    await patch(id, [add(at('b', { zone: 1 }))]).expect(400);
    for (const position of ['x', '-1', '1.5']) {
      await patch(id, [add(at('b'), position)]).expect(400);
    }
    await patch(id, [{ op: 'add', path: '/locations/-', value: { url: base } }]).expect(400);
    await patch(await create({}), [add(at('a'))]).expect(400);
    expect((await show(id)).locations).toEqual([at('a')]);
  });

  it('agree in what they say of the data', async () => {
    const id = await create();
    const saying = (data: object) => add({ ...at('a'), validation_data: data });
    const other = { ...SAID, os_hash_value: 'a'.repeat(128) };
    const two = [saying(SAID), add({ ...at('b'), validation_data: other })];
    await patch(id, two).expect(409);
    await patch(id, [saying({ ...SAID, os_hash_algo: 'md5' })]).expect(409);
    await patch(id, [saying({ ...SAID, os_hash_value: 'abc' })]).expect(409);
    await patch(id, [saying({ ...SAID, checksum: 'z'.repeat(32) })]).expect(409);
    await patch(id, [saying({ ...SAID, checksum: 'a' })]).expect(400);
    await patch(id, [saying({ checksum: MD5 })]).expect(400);
    await patch(id, [saying({ ...SAID, more: 1 })]).expect(400);
    await patch(id, [saying(SAID)]).expect(200);
    await patch(id, [add({ ...at('b'), validation_data: SAID })]).expect(200);
    await patch(id, [add({ ...at('c'), validation_data: other })]).expect(409);
    const plain = await located(at('a'));
    await patch(plain, [add({ ...at('b'), validation_data: SAID })]).expect(409);
  });

  it('are removed by an administrator, but never the last one', async () => {
    const id = await located(at('a'), at('b'), at('c'));
    await patch(id, [remove(0)]).expect(403);
    await patch(id, [remove(3)], ADMIN).expect(400);
    await patch(id, [remove('x')], ADMIN).expect(400);
    expect((await patch(id, [remove('-')], ADMIN).expect(200)).body.locations).toHaveLength(2);
    await patch(id, [remove(0), remove(0)], ADMIN).expect(403);
    const { body } = await patch(id, [remove(0)], ADMIN).expect(200);
    expect(body.locations).toEqual([at('b')]);
    await patch(id, [remove(0)], ADMIN).expect(403);
    expect(await server.registry.listRemovals({ imageId: id, limit: 9 }, SERVICE)).toEqual([]);
  });

  it('take the data in our own store with them', async () => {
    const id = await uploaded();
    await patch(id, [add(at('a'))]).expect(200);
    const [own] = (await show(id)).locations as [Place];
    const store = server.api.stores.defaultStore;
    expect(await store.sizeOf(own.url)).toBe(DATA.length);
    await patch(id, [remove(0)], ADMIN).expect(200);
    await expect(store.sizeOf(own.url)).rejects.toMatchObject({ code: 'store_blob_missing' });
    expect((await show(id)).locations).toEqual([at('a')]);
  });

  it('stay when the store refuses to give the data up', async () => {
    const id = await uploaded();
    await patch(id, [add(at('a'))]).expect(200);
    const before = (await show(id)).locations;
    const refusal = new DomainError('store_in_use', 'a snapshot hangs on it');
    const spy = jest.spyOn(server.api.stores.defaultStore, 'delete').mockRejectedValue(refusal);
    await patch(id, [remove(0)], ADMIN).expect(500);
    spy.mockRestore();
    expect((await show(id)).locations).toEqual(before);
  });

  it('are changed of active and queued images only', async () => {
    const id = await located(at('a'), at('b'));
    await as(ADMIN).post(`/v2/images/${id}/actions/deactivate`).expect(204);
    expect(await show(id)).toMatchObject({ locations: [] });
    expect(await show(id)).not.toHaveProperty('direct_url');
    expect((await show(id, ADMIN)).locations).toEqual([at('a'), at('b')]);
    await patch(id, [add(at('c'))], ADMIN).expect(409);
    await patch(id, [replace(at('b'), at('a'))], ADMIN).expect(409);
    await patch(id, [remove(0)], ADMIN).expect(409);
    await patch(await create(), [remove(0)], ADMIN).expect(409);
  });

  it('one of two stays when both are removed at once', async () => {
    const id = await located(at('a'), at('b'));
    const answers = await Promise.all([0, 1].map((each) => patch(id, [remove(each)], ADMIN)));
    expect(answers.filter(({ status }) => status === 200).length).toBeGreaterThan(0);
    expect((await show(id)).locations).toHaveLength(1);
  });

  it('are limited in number and in what they take of the quota', async () => {
    const limited = await startApi(
      '--show-multiple-locations=true',
      '--image-location-quota=2',
      `--user-storage-quota=${DATA.length + 1}`,
    );
    try {
      const id = await create(FORMATS, limited);
      const four = ['a', 'b', 'c', 'd'].map((each) => add(at(each)));
      expect((await patch(id, four, ALICE, limited).expect(413)).text).toContain('Maximum: 2');
      await patch(id, [replace(at('a'), at('b'), at('c'))], ALICE, limited).expect(413);
      await patch(id, [add(at('a'))], ALICE, limited).expect(200);
      await patch(id, [add(at('b'))], ALICE, limited).expect(413);
    } finally {
      await limited.close();
    }
  });

  it('are nobody’s to see or change unless the operator says so', async () => {
    const hiding = await startApi();
    try {
      const id = await create(FORMATS, hiding);
      expect((await as(ALICE, hiding).get(`/v2/images/${id}`)).body).not.toHaveProperty(
        'locations',
      );
      for (const operation of [add(at('a')), replace(at('a')), remove(0)]) {
        await patch(id, [operation], ADMIN, hiding).expect(403);
      }
    } finally {
      await hiding.close();
    }
  });
});

const SERVICE = {
  identity: { userId: null, projectId: null, roles: [], isAdmin: true, readOnly: false },
  requestId: 'req-test',
};
