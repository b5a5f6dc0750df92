import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { ADMIN, CacheApi, MEMBER } from '../testing/cache-api';
import { CacheNode } from '../testing/cache-node';

const DATA = randomBytes(900_000);

describe('the image cache and its API', () => {
  let api: CacheApi;

  beforeEach(async () => {
    api = await CacheApi.start();
  });

  afterEach(() => api.close());

  const admin = () => api.as(ADMIN).set('accept', 'text/plain');

  it('fetches what is queued at once, and serves it', async () => {
    const id = await api.upload(DATA);
    const queued = await admin().put(`/v2/cache/${id}`).expect(202);
    expect(queued.text).toBe('');
    await api.holds(id);
    const state = await api.state();
    expect(state).toEqual({
      cached_images: [
        {
          image_id: id,
          size: DATA.length,
          hits: 0,
          last_accessed: 0,
          last_modified: expect.any(Number),
          checksum: createHash('md5').update(DATA).digest('hex'),
        },
      ],
      queued_images: [],
    });
    expect((await api.download(id)).equals(DATA)).toBe(true);
    expect(api.reads).toBe(1);
    // There already: nothing is left to do.
    await admin().put(`/v2/cache/${id}`).expect(202);
    await api.hasQueued();
    expect(api.reads).toBe(1);
  });

  it('refuses what is not active, and what is not there', async () => {
    const { id } = (await api.as(MEMBER).post('/v2/images').send({}).expect(201)).body;
    const { text } = await admin().put(`/v2/cache/${id}`).expect(400);
    expect(text).toContain('queued');
    await admin().put(`/v2/cache/${randomUUID()}`).expect(404);
    await admin().put('/v2/cache/no-image').expect(404);
  });

  it('keeps in the queue what cannot be fetched yet, and forgets what never can', async () => {
    const id = await api.upload(DATA);
    const [location] = (await api.server.registry.getImage(id, api.serviceContext())).locations;
    api.server.registry.overwrite(id, { locations: [{ ...location!, url: 'memory://gone' }] });
    await admin().put(`/v2/cache/${id}`).expect(202);
    await api.as(ADMIN).put(`/v1/queued_images/${randomUUID()}`).expect(200);
    await api.hasQueued(id);
    api.server.registry.overwrite(id, { locations: [location!] });
    await api.as(ADMIN).put(`/v2/queued_images/${id}`).expect(200);
    await api.holds(id);
    await api.hasQueued();
  });

  it('removes one image, of which the registry may know nothing any more', async () => {
    const [first, second] = [await api.cached(DATA), await api.cached(randomBytes(1000))];
    await admin().delete(`/v2/cache/${first}`).expect(204);
    await api.holds(second);
    await admin().delete(`/v2/cache/${first}`).expect(204);
    api.server.registry.overwrite(second, { deleted: true, status: 'deleted' });
    await api.as(MEMBER).delete(`/v2/cache/${second}`).expect(404);
    await api.holds(second);
    await admin().delete(`/v2/cache/${second}`).expect(204);
    await api.holds();
    await admin().delete(`/v2/cache/${second}`).expect(404);
    await admin().delete(`/v2/cache/${randomUUID()}`).expect(404);
  });

  it.each([
    ['', [], []],
    ['Cache', [], ['queued']],
    ['queue', ['cached'], []],
  ])('is emptied with the target "%s"', async (target, cached, queued) => {
    const id = await api.cached(DATA);
    const waiting = randomUUID();
    await writeFile(api.file('queue', waiting), '');
    await admin().delete('/v2/cache').set('x-image-cache-clear-target', target).expect(204);
    const state = await api.state();
    expect(state.cached_images.map((each) => each['image_id'])).toEqual(cached.map(() => id));
    expect(state.queued_images).toEqual(queued.map(() => waiting));
    await admin().delete('/v2/cache').set('x-image-cache-clear-target', 'both').expect(400);
  });

  it('does not know the caches of other nodes', async () => {
    await admin()
      .get(`/v2/cache/nodes/${await api.upload(DATA)}`)
      .expect(409);
  });

  it('is managed by the older routes of both versions', async () => {
    const id = await api.cached(DATA);
    await writeFile(api.file('queue', randomUUID()), '');
    for (const version of ['v1', 'v2']) {
      const get = async (path: string) =>
        (await api.as(ADMIN).get(`/${version}/${path}`).expect(200)).body;
      expect((await get('cached_images')).cached_images).toEqual([
        expect.objectContaining({ image_id: id, hits: 0, size: DATA.length }),
      ]);
      expect((await get('queued_images')).queued_images).toHaveLength(1);
    }
    const none = await api.as(ADMIN).delete(`/v1/cached_images/${randomUUID()}`).expect(200);
    expect(none.body).toBeNull();
    await api.as(ADMIN).delete('/v1/cached_images/..%2fqueue').expect(404);
    const emptied = await api.as(ADMIN).delete('/v1/cached_images').expect(200);
    expect(emptied.body).toEqual({ num_deleted: 1 });
    expect((await api.as(ADMIN).delete('/v2/queued_images').expect(200)).body).toEqual({
      num_deleted: 1,
    });
    await api.holds();
    await api.hasQueued();
  });

  it('announces its versions', async () => {
    const { versions } = (await api.as(ADMIN).get('/versions').expect(200)).body as {
      versions: { id: string; status: string }[];
    };
    expect(versions.slice(0, 6).map(({ id, status }) => `${id} ${status}`)).toEqual([
      'v2.18 CURRENT',
      'v2.17 SUPPORTED',
      'v2.16 SUPPORTED',
      'v2.15 SUPPORTED',
      'v2.14 SUPPORTED',
      'v2.9 SUPPORTED',
    ]);
    await api.as(ADMIN).get('/v2.18/cache').expect(200);
  });

  it('is cleaned of what is invalid, and of what nobody fetches any more', async () => {
    const [stalled, fresh] = [randomUUID(), randomUUID()];
    await writeFile(api.file('invalid', randomUUID()), 'x');
    for (const name of [stalled, fresh]) await writeFile(api.file('incomplete', name), 'x');
    const yesterday = Date.now() / 1000 - 86_401;
    await utimes(api.file('incomplete', stalled), yesterday, yesterday);
    const answer = await admin().post('/v2/cache/clean').expect(200);
    expect(answer.text).toBe('');
    expect(await readdir(api.file('incomplete'))).toEqual([fresh]);
    expect(await readdir(api.file('invalid'))).toEqual([]);
  });
});

describe('processes that share an image cache', () => {
  let node: CacheNode;

  beforeEach(async () => {
    node = await CacheNode.start();
  });

  afterEach(() => node.close());

  it('serve what the other has fetched, and forget what it has removed', async () => {
    const [one, other] = [await node.process(), await node.process()];
    const image = await node.image(DATA);
    await one.cache.enqueue(image.id);
    await node.holds(one.cache, image.id);
    expect((await other.download(image)).equals(DATA)).toBe(true);
    expect(node.reads).toBe(1);
    await one.cache.forget(image.id);
    expect((await other.download(image)).equals(DATA)).toBe(true);
    expect(node.reads).toBe(2);
  });

  it('both serve the image that both want at once', async () => {
    const [one, other] = [await node.process(), await node.process()];
    const image = await node.image(randomBytes(6_000_000));
    const downloads = [one, other, one, other].map((each) => each.download(image));
    const sizes = (await Promise.all(downloads)).map(({ length }) => length);
    expect(sizes).toEqual(sizes.map(() => 6_000_000));
    // Two that begin in one moment both give way.
    while ((await other.cache.cached()).length === 0) await other.download(image);
    expect(await readdir(node.file('incomplete'))).toEqual([]);
  });

  it('take over what upstream cached, once it has the right hash', async () => {
    const { cache } = await node.process();
    const right = await node.image(DATA);
    const wrong = await node.image(Buffer.from(DATA).reverse());
    const gone = randomUUID();
    for (const id of [right.id, wrong.id, gone]) await writeFile(node.file(id), DATA);
    expect(await cache.cached()).toEqual([]);
    await cache.sweeper.sweep();
    expect((await cache.cached()).map(({ imageId }) => imageId)).toEqual([right.id]);
    expect((await readdir(node.directory)).sort()).toEqual(
      [right.id, 'incomplete', 'invalid', 'queue', 'records'].sort(),
    );
  });

  it('serve nothing that a process which died has not verified, and verify it later', async () => {
    const { cache, download } = await node.process();
    const image = await node.image(DATA);
    expect((await download(image)).equals(DATA)).toBe(true);
    await node.holds(cache, image.id);
    // Died between the name of the data and the record.
    await rm(node.file('records', image.id));
    expect(await cache.cached()).toEqual([]);
    await cache.sweeper.sweep();
    expect((await cache.cached()).map(({ imageId }) => imageId)).toEqual([image.id]);
    // Died between the removal of the record and of the data, and the other way round.
    await rm(node.file(image.id));
    await cache.sweeper.sweep();
    expect(await readdir(node.file('records'))).toEqual([]);
  });

  it('remove images that were deleted elsewhere', async () => {
    const { cache } = await node.process();
    const [kept, deleted] = [await node.image(DATA), await node.image(randomBytes(1000))];
    for (const { id } of [kept, deleted]) {
      await cache.enqueue(id);
      await node.holds(cache, id);
    }
    node.registry.overwrite(deleted.id, { deleted: true, status: 'deleted' });
    node.registry.overwrite(kept.id, { status: 'deactivated' });
    await cache.sweeper.sweep();
    expect((await cache.cached()).map(({ imageId }) => imageId)).toEqual([kept.id]);
  });
});
