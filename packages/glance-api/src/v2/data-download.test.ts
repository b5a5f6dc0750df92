import { createHash, randomUUID } from 'node:crypto';
import { DomainError, type ImageStatus } from '@glance/common';
import { MemoryDriver } from '@glance/stores';
import request from 'supertest';
import { memoryStores, type MemoryStores } from '../testing/memory-stores';
import { startTestApiWith, type TestApi } from '../testing/test-api';

const MEMBER = 'alice:demo:member,reader';
const OTHER = 'bob:other:member,reader';
const ADMIN = 'root:admin:admin';
const RAW = { disk_format: 'raw', container_format: 'bare' };
const DATA = Buffer.from('abc');
const MD5 = createHash('md5').update(DATA).digest('hex');

describe('data read from API v2', () => {
  let server: TestApi;
  let store: MemoryStores;

  async function start(memory: MemoryStores): Promise<void> {
    store = memory;
    server = await startTestApiWith({ stores: memory.stores });
  }

  afterEach(async () => {
    await server.close();
    await store.stores.close();
  });

  const as = (token: string) => request.agent(server.url).set('x-auth-token', token);
  const get = (id: string, query = '', token = MEMBER) =>
    as(token).get(`/v2/images/${id}/file${query}`).buffer(true);
  const create = async (): Promise<string> =>
    (await as(MEMBER).post('/v2/images').send(RAW).expect(201)).body.id;
  const driver = (id = 'memory'): MemoryDriver => store.drivers.get(id)!;

  async function stored(headers: Record<string, string> = {}): Promise<string> {
    const id = await create();
    await as(MEMBER)
      .put(`/v2/images/${id}/file`)
      .set({ 'content-type': 'application/octet-stream', ...headers })
      .send(DATA)
      .expect(204);
    return id;
  }

  it('is whole, with its length and its MD5', async () => {
    await start(await memoryStores());
    const answer = await get(await stored()).expect(200);
    expect(answer.body).toEqual(DATA);
    expect(answer.headers).toMatchObject({
      'content-type': 'application/octet-stream',
      'content-length': '3',
      'content-md5': MD5,
    });
    expect(answer.headers).not.toHaveProperty('etag');
    expect(answer.headers).not.toHaveProperty('accept-ranges');
    expect(answer.headers).not.toHaveProperty('content-range');
  });

  it('is there whatever is recorded as its MD5', async () => {
    await start(await memoryStores());
    const id = await stored();
    server.registry.overwrite(id, { checksum: '☃' });
    const answer = await get(id).expect(200);
    expect(answer.body).toEqual(DATA);
  });

  it('has no MD5 where none is recorded', async () => {
    await start(await memoryStores());
    const id = await stored();
    server.registry.overwrite(id, { checksum: null });
    expect((await get(id).expect(200)).headers).not.toHaveProperty('content-md5');
  });

  it.each([
    ['range', 'bytes=1-2', 'bytes 1-2/3', 'bc'],
    ['range', 'bytes=-100', 'bytes 0-2/3', 'abc'],
    ['content-range', 'bytes 0-1/*', 'bytes 0-1/3', 'ab'],
  ])('is a part of it with %s: %s', async (name, value, range, data) => {
    await start(await memoryStores());
    const answer = await get(await stored())
      .set(name, value)
      .expect(206);
    expect(answer.body.toString()).toBe(data);
    expect(answer.headers).toMatchObject({
      'content-range': range,
      'content-length': String(data.length),
      'content-md5': MD5,
    });
  });

  it('is 416 for a part that is not there, 400 for several', async () => {
    await start(await memoryStores());
    const id = await stored();
    await get(id).set('range', 'bytes=3-').expect(416).expect('content-range', 'bytes */3');
    await get(id).set('content-range', 'bytes */3').expect(416);
    await get(id).set('range', 'bytes=0-0,-1').expect(400);
    server.registry.overwrite(id, { sizeBytes: null });
    await get(id).set('range', 'bytes=0-').expect(416);
    expect((await get(id).expect(200)).body).toEqual(DATA);
  });

  it.each<ImageStatus>(['queued', 'uploading', 'importing', 'saving'])(
    'is nothing while the image is %s',
    async (status) => {
      await start(await memoryStores());
      const id = await create();
      server.registry.overwrite(id, { status });
      for (const answer of [await get(id), await get(id).set('range', 'bytes=0-1')]) {
        expect(answer.status).toBe(204);
        expect(answer.headers).not.toHaveProperty('content-type');
        expect(answer.headers).not.toHaveProperty('content-length');
      }
    },
  );

  // §18 Data
  it('is nothing when the store has lost it', async () => {
    await start(await memoryStores());
    const id = await stored();
    const lost = `memory://${randomUUID()}`;
    server.registry.overwrite(id, {
      locations: [{ id: 1, url: lost, metadata: {}, status: 'active' }],
    });
    await get(id).expect(204);
    await get(id).set('range', 'bytes=1-2').expect(204);
  });

  it.each([
    ['store_unavailable', 503],
    ['store_get_unsupported', 400],
    ['store_failed', 500],
  ] as const)('that the store does not give (%s) is %d', async (code, status) => {
    await start(await memoryStores());
    const id = await stored();
    driver().breakWith(new DomainError(code, 'It does not work'));
    await get(id).expect(status);
  });

  it('is 400 for a part where the store has no parts', async () => {
    await start(await memoryStores(['memory'], { partialRead: false }));
    const id = await stored();
    await get(id).set('range', 'bytes=1-2').expect(400);
    await get(id).expect(200);
  });

  it('is 500 when no store serves its place, or when the store has other bytes', async () => {
    await start(await memoryStores());
    const id = await stored();
    server.registry.overwrite(id, { sizeBytes: 4 });
    await get(id).expect(500);
    server.registry.overwrite(id, {
      locations: [{ id: 1, url: 'rbd://pool/x', metadata: {}, status: 'active' }],
    });
    await get(id).expect(500);
  });

  it('of a deactivated image is for admins', async () => {
    await start(await memoryStores());
    const id = await stored();
    server.registry.overwrite(id, { status: 'deactivated' });
    await get(id).expect(403);
    expect((await get(id, '', ADMIN).expect(200)).body).toEqual(DATA);
    server.registry.overwrite(id, { status: 'active' });
    await get(id).expect(200);
  });

  it('is hidden with its image', async () => {
    await start(await memoryStores());
    const id = await stored();
    await get(id, '', OTHER).expect(404);
    await as(MEMBER).delete(`/v2/images/${id}`).expect(204);
    await get(id, '', ADMIN).expect(404);
  });

  describe('in several places', () => {
    async function copies(): Promise<string> {
      await start(await memoryStores(['one', 'two']));
      const first = await stored();
      const second = await stored({ 'x-image-meta-store': 'two' });
      const place = (store: string, image: string, id: number) => ({
        id,
        url: `memory://${image}`,
        metadata: { store },
        status: 'active' as const,
      });
      server.registry.overwrite(first, {
        locations: [place('one', first, 1), place('two', second, 2)],
      });
      return first;
    }
    const opened = (store: string) => jest.spyOn(driver(store), 'get');

    it('comes from the next when one fails, parts too', async () => {
      const id = await copies();
      driver('one').breakWith(new DomainError('store_unavailable', 'It is down'));
      expect((await get(id).expect(200)).body).toEqual(DATA);
      expect((await get(id).set('range', 'bytes=1-1').expect(206)).body.toString()).toBe('b');
      driver('two').breakWith(new DomainError('store_unavailable', 'It is down, too'));
      await get(id).expect(503);
    });

    it('is asked for last where nobody answered just now', async () => {
      const id = await copies();
      const one = opened('one');
      driver('one').breakWith(new DomainError('store_unavailable', 'It is down'));
      await get(id).expect(200);
      await get(id).expect(200);
      expect(one).toHaveBeenCalledTimes(1);
      driver('one').breakWith(undefined);
      driver('two').breakWith(new DomainError('store_unavailable', 'It is down'));
      await get(id).expect(200);
      expect(one).toHaveBeenCalledTimes(2);
    });

    it('comes from the store that is preferred, else from where it is', async () => {
      const id = await copies();
      const [one, two] = [opened('one'), opened('two')];
      expect((await get(id, '?prefer=two,,one,').expect(200)).body).toEqual(DATA);
      expect([one.mock.calls.length, two.mock.calls.length]).toEqual([1, 0]);
      expect((await get(id, '?prefer=%20two%20').expect(200)).body).toEqual(DATA);
      expect([one.mock.calls.length, two.mock.calls.length]).toEqual([1, 1]);
      await get(id, '?prefer=,,,').expect(200);
      expect([one.mock.calls.length, two.mock.calls.length]).toEqual([2, 1]);
      await get(id, '?prefer=one,nowhere').expect(400);
      driver('two').breakWith(new DomainError('store_unavailable', 'It is down'));
      await get(id, '?prefer=two').expect(200);
    });
  });

  it('has no preference where there is one store', async () => {
    await start(await memoryStores());
    const id = await stored();
    await get(id, '?prefer=memory').expect(400);
    await get(id, '?prefer=,').expect(200);
  });

  it('takes no body and no other method', async () => {
    await start(await memoryStores());
    const id = await stored();
    await get(id).send({ a: 1 }).expect(400);
    await as(MEMBER).head(`/v2/images/${id}/file`).expect(405);
    const answer = await as(MEMBER).post(`/v2/images/${id}/file`).expect(405);
    expect(answer.headers['allow']).toBe('GET, PUT');
  });
});
