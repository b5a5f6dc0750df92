import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { copyFile, open, readFile, rename, rm, symlink, truncate } from 'node:fs/promises';
import http from 'node:http';
import { armFailPoints } from '@glance/common';
import { ADMIN, CacheApi, MEMBER } from '../testing/cache-api';

/** More than sockets and buffers swallow. */
const LARGE = randomBytes(24 * 1024 * 1024);
const DATA = randomBytes(1_700_000);

/** Jest compares byte by byte, and so many take it seconds. */
function expectSame(found: Buffer, wanted: Buffer): void {
  expect([found.length, found.equals(wanted)]).toEqual([wanted.length, true]);
}

describe('a download on a node with a cache', () => {
  let api: CacheApi;

  beforeEach(async () => {
    api = await CacheApi.start();
  });

  afterEach(() => api.close());

  it('comes from the store once, then from the cache, whole and in parts', async () => {
    const id = await api.cached(DATA);
    expect(api.reads).toBe(1);
    const answer = await api.open(id);
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      'content-type': 'application/octet-stream',
      'content-length': String(DATA.length),
      'content-md5': createHash('md5').update(DATA).digest('hex'),
    });
    expectSame(Buffer.from(await answer.arrayBuffer()), DATA);
    const part = await api.open(id, { range: 'bytes=1000000-1599999' });
    expect([part.status, part.headers.get('content-range')]).toEqual([
      206,
      `bytes 1000000-1599999/${DATA.length}`,
    ]);
    expectSame(Buffer.from(await part.arrayBuffer()), DATA.subarray(1_000_000, 1_600_000));
    expect(api.reads).toBe(1);
    const [entry] = (await api.state()).cached_images;
    expect(entry).toMatchObject({ image_id: id, size: DATA.length, hits: 2 });
    expect(entry!['last_accessed']).toBeCloseTo(Date.now() / 1000, -2);
  });

  it('is the same by API v1', async () => {
    const id = await api.cached(DATA);
    const { body, headers } = await api.as(MEMBER).get(`/v1/images/${id}`).buffer(true).expect(200);
    expectSame(body, DATA);
    expect(headers['x-image-meta-checksum']).toBe(createHash('md5').update(DATA).digest('hex'));
    expect(headers).not.toHaveProperty('x-image-meta-location');
    expect(api.reads).toBe(1);
  });

  it('of a part alone brings nothing into the cache', async () => {
    const id = await api.upload(DATA);
    expectSame(await api.download(id, { range: 'bytes=0-9' }), DATA.subarray(0, 10));
    await api.holds();
  });

  it('uses no cache with another flavor', async () => {
    await api.restart('--paste-deploy-flavor=fakeauth');
    const id = await api.upload(DATA);
    expectSame(await api.download(id), DATA);
    await api.holds();
  });

  it('of an image that is deactivated or deleted is refused although it is cached', async () => {
    const id = await api.cached(DATA);
    await api.as(MEMBER).post(`/v2/images/${id}/actions/deactivate`).expect(204);
    expect((await api.open(id)).status).toBe(403);
    await api.as(MEMBER).post(`/v2/images/${id}/actions/reactivate`).expect(204);
    await api.as(MEMBER).delete(`/v2/images/${id}`).expect(204);
    expect((await api.open(id)).status).toBe(404);
    await api.holds();
  });

  it('OSSA-2013-027: is refused to whom it would be refused without the cache', async () => {
    const id = await api.cached(DATA);
    expect((await api.open(id, { 'x-auth-token': 'rita:demo:reader' })).status).toBe(403);
    expect((await api.open(id, { 'x-auth-token': 'bob:other:member' })).status).toBe(404);
  });

  it('is of the data that the image has now', async () => {
    const id = await api.cached(DATA);
    const other = Buffer.from(DATA).reverse();
    const sha512 = createHash('sha512').update(other).digest('hex');
    const url = (await api.server.registry.getImage(id, api.serviceContext())).locations[0]!.url;
    await api.driver.delete(url);
    const replaced = await api.upload(other);
    const { locations } = await api.server.registry.getImage(replaced, api.serviceContext());
    api.server.registry.overwrite(id, { hashValue: sha512, locations });
    expectSame(await api.download(id), other);
    expectSame(await api.download(id), other);
    expect(api.reads).toBe(2);
  });

  describe('whose file in the cache is not what it was', () => {
    const damages: Record<string, (file: string) => Promise<void>> = {
      'has another byte': async (file) => {
        const handle = await open(file, 'r+');
        await handle.write(Buffer.from([DATA[5]! ^ 1]), 0, 1, 5);
        await handle.close();
      },
      'is shorter': (file) => truncate(file, 10),
      'is another': async (file) => {
        await copyFile(file, `${file}.copy`);
        await rename(`${file}.copy`, file);
      },
      'is a link': async (file) => {
        await rename(file, `${file}.moved`);
        await symlink(`${file}.moved`, file);
      },
      'is gone': (file) => rm(file),
    };

    it.each(Object.entries(damages))('since it %s, comes from the store', async (_, damage) => {
      const id = await api.cached(DATA);
      await damage(api.file(id));
      expectSame(await api.download(id), DATA);
      expect(api.reads).toBe(2);
      await api.holds(id);
      expectSame(await readFile(api.file(id)), DATA);
    });
  });

  it.each(['incomplete', 'records', 'queue'])(
    'does not fail without the directory %s of the cache',
    async (folder) => {
      const id = await api.upload(DATA);
      await rm(api.file(folder), { recursive: true });
      expectSame(await api.download(id), DATA);
      expectSame(await api.download(id), DATA);
    },
  );

  it('goes on from the store when the cache fails in between', async () => {
    const id = await api.upload(DATA);
    armFailPoints('C1:throw');
    expectSame(await api.download(id), DATA);
    await api.holds();
    expect(api.reads).toBe(2);
  });

  it('goes on from the store when no more comes by the fetch that it follows', async () => {
    await api.restart('--transfer-idle-timeout=1');
    const id = await api.upload(DATA);
    const release = api.closeGate();
    const downloads = [api.download(id), api.download(id)];
    for (const data of await Promise.all(downloads)) expectSame(data, DATA);
    expect(api.reads).toBe(3);
    release();
    await api.holds();
    expectSame(await api.download(id), DATA);
    await api.holds(id);
  });

  it('breaks off before its last bytes when the store has other data than is recorded', async () => {
    const id = await api.upload(DATA);
    api.server.registry.overwrite(id, { hashValue: '0'.repeat(128) });
    const answer = await api.open(id);
    await expect(answer.arrayBuffer()).rejects.toThrow('terminated');
    await api.holds();
  });

  it('says before the first byte that the store does not have the data', async () => {
    const id = await api.upload(DATA);
    const [location] = (await api.server.registry.getImage(id, api.serviceContext())).locations;
    await api.driver.delete(location!.url);
    expect((await api.open(id)).status).toBe(204);
    await api.holds();
  });

  it('is not cached without a hash, and is by its checksum alone', async () => {
    const id = await api.upload(DATA);
    const sum = (await api.server.registry.getImage(id, api.serviceContext())).checksum;
    api.server.registry.overwrite(id, { hashAlgorithm: null, hashValue: null, checksum: null });
    expectSame(await api.download(id), DATA);
    await api.holds();
    api.server.registry.overwrite(id, { checksum: sum });
    expectSame(await api.download(id), DATA);
    await api.holds(id);
    expectSame(await api.download(id), DATA);
    expect(api.reads).toBe(2);
  });

  describe('with others of the same image', () => {
    /** A client that reads nothing before it is told to, and may go away. */
    function idle(id: string): http.ClientRequest {
      const url = new URL(`/v2/images/${id}/file`, api.server.url);
      return http.get(url, { headers: { 'x-auth-token': MEMBER } }).on('error', () => undefined);
    }

    it('reads the store once', async () => {
      const id = await api.upload(LARGE);
      const release = api.closeGate();
      const downloads = Array.from({ length: 5 }, () => api.download(id));
      await api.hasRead(1);
      release();
      for (const data of await Promise.all(downloads)) expectSame(data, LARGE);
      expect(api.reads).toBe(1);
    });

    it('does not wait for the slow, nor they for it', async () => {
      const id = await api.upload(LARGE);
      const [slow] = (await once(idle(id), 'response')) as [http.IncomingMessage];
      expectSame(await api.download(id), LARGE);
      await api.holds(id);
      const chunks: Buffer[] = [];
      for await (const chunk of slow) chunks.push(chunk as Buffer);
      expectSame(Buffer.concat(chunks), LARGE);
      expect(api.reads).toBe(1);
    });

    it('loses nothing when the first goes away, and neither does the cache', async () => {
      const id = await api.upload(LARGE);
      const release = api.closeGate();
      const first = idle(id);
      await api.hasRead(1);
      const second = api.download(id);
      first.destroy();
      release();
      expectSame(await second, LARGE);
      const other = await api.upload(DATA);
      const only = idle(other);
      await api.hasRead(2);
      only.destroy();
      await api.holds(...[id, other].sort());
      expect(api.reads).toBe(2);
    });
  });

  it('lets what was downloaded longest ago make room', async () => {
    await api.restart('--image-cache-max-size=4000000');
    const first = await api.cached(DATA);
    const second = await api.cached(Buffer.from(DATA).reverse());
    await api.download(first);
    const third = await api.upload(randomBytes(1_000_000));
    await api.download(third);
    await api.holds(...[first, third].sort());
    expectSame(await api.download(await api.upload(LARGE)), LARGE);
    await api.holds(...[first, third].sort());
    expect(await api.download(second)).toHaveLength(DATA.length);
    await api.holds(...[second, third].sort());
    expect((await api.as(ADMIN).post('/v2/cache/prune').expect(200)).body).toEqual({
      total_files_pruned: 0,
      total_bytes_pruned: 0,
    });
    await api.restart('--image-cache-max-size=0');
    expect((await api.as(ADMIN).post('/v2/cache/prune').expect(200)).body).toEqual({
      total_files_pruned: 2,
      total_bytes_pruned: DATA.length + 1_000_000,
    });
    expectSame(await api.download(await api.upload(DATA)), DATA);
    await api.holds();
  });
});
