import { randomBytes, randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from '@jest/globals';
import { eventually } from '../../conformance/bench';
import { MIB, peakBufferBytes } from '../../conformance/memory-use';
import { digestOf, patternSource, readAll, sourceOf } from '../../conformance/pattern';
import { InstrumentedStore } from '../../instrumented-store';
import type { AddedBlob } from '../../store-driver';
import { describeWithSheepdog, RealSheep } from '../../../testing/sheepdog-test-server';
import { SheepCluster } from './sheep-cluster';
import { SheepPool } from './sheep-pool';
import { SheepdogDriver } from './sheepdog-driver';

describeWithSheepdog()('the sheepdog store and upstream’s tool on one cluster', () => {
  let sheep: RealSheep;
  let store: InstrumentedStore;
  let cluster: SheepCluster;

  beforeAll(async () => {
    sheep = await RealSheep.start();
  });
  afterAll(() => sheep.stop());

  beforeEach(async () => {
    const options = { sheepdog_store_port: sheep.port, sheepdog_store_chunk_size: 8 };
    const context = { storeId: 'sheep', warn: () => undefined };
    const driver = await SheepdogDriver.create(options, context);
    store = new InstrumentedStore(driver, { id: 'sheep', type: 'sheepdog' });
    const timeouts = { connectMs: 5000, answerMs: 30_000 };
    cluster = new SheepCluster(new SheepPool({ host: '127.0.0.1', port: sheep.port }, timeouts));
  });
  afterEach(async () => {
    await store.close();
    cluster.close();
    expect(sheep.names()).toEqual([]);
  });

  async function add(
    data: Buffer,
    expectedSizeBytes?: number,
  ): Promise<AddedBlob & { imageId: string }> {
    const name = { imageId: randomUUID(), uploadId: randomUUID() };
    const request = { ...name, expectedSizeBytes, firstAttempt: true, source: sourceOf(data) };
    const added = await store.add(request);
    await added.settle();
    return { ...added, imageId: name.imageId };
  }

  it.each([
    ['of known size', true],
    ['of unknown size', false],
  ])('dog reads what was stored, bit by bit, %s', async (_, known) => {
    const data = randomBytes(25 * MIB + 7);
    data.fill(0, 5 * MIB, 13 * MIB);
    const { imageId, locationUrl } = await add(data, known ? data.length : undefined);
    expect(locationUrl).toBe(`sheepdog://127.0.0.1:${sheep.port}:${imageId}`);
    expect(sheep.dog('vdi', 'read', imageId).equals(data)).toBe(true);
    await store.delete(locationUrl);
  });

  it('reads and removes what dog stored, by either form of a location', async () => {
    const data = randomBytes(6 * MIB);
    const { imageId, locationUrl } = await add(data);
    const copy = randomUUID();
    sheep.dog('vdi', 'snapshot', '-s', 'base', imageId);
    sheep.dog('vdi', 'clone', '-s', 'base', imageId, copy);
    // The clone shares its data with the snapshot.
    const { stream } = await store.get(`sheepdog://${copy}`);
    expect((await readAll(stream)).equals(data)).toBe(true);
    await store.delete(`sheepdog://${copy}`);
    expect(await store.sizeOf(`sheepdog://${imageId}`)).toBe(data.length);
    expect((await readAll((await store.get(locationUrl)).stream)).equals(data)).toBe(true);
    await store.delete(locationUrl);
    sheep.dog('vdi', 'delete', '-s', 'base', imageId);
  });

  it('does not read a hyper volume, whose index is another, but removes it', async () => {
    const name = randomUUID();
    sheep.dog('vdi', 'create', '--hyper', name, '8M');
    const location = `sheepdog://${name}`;
    expect(await store.sizeOf(location)).toBe(8 * MIB);
    await expect(store.get(location)).rejects.toMatchObject({ code: 'store_blob_corrupt' });
    await store.delete(location);
  });

  it('holes take no space, and a removal gives up the rest', async () => {
    const data = randomBytes(12 * MIB);
    data.fill(0, 4 * MIB, 8 * MIB);
    const { imageId, locationUrl } = await add(data);
    const vid = (await cluster.findVid(imageId)) ?? 0;
    expect([...(await cluster.readEntries(vid, 0, 3))]).toEqual([vid, 0, vid]);
    await store.delete(locationUrl);
    for (const index of [0, 2]) {
      // It does so after it has answered.
      await eventually(async () => {
        const reading = cluster.readData(vid, index, 0, Buffer.alloc(1));
        await expect(reading).rejects.toMatchObject({ result: 2 });
      });
    }
  });

  it('an upload that was swept while it ran stores nothing', async () => {
    const source = patternSource({
      sizeBytes: 9 * MIB,
      onRequest: async (delivered) => {
        if (delivered !== 6 * MIB) return;
        for (const left of await store.listUnfinished()) {
          await store.removeUnfinished(left, 'abandoned');
        }
      },
    });
    const name = { imageId: randomUUID(), uploadId: randomUUID() };
    const adding = store.add({ ...name, source });
    await expect(adding).rejects.toMatchObject({ code: 'store_unavailable' });
  });

  it('streams in and out in bounded memory', async () => {
    const sizeBytes = 128 * MIB;
    const memory = peakBufferBytes();
    const source = patternSource({ sizeBytes, onRequest: memory.sample });
    const name = { imageId: randomUUID(), uploadId: randomUUID() };
    const { locationUrl } = await store.add({ ...name, source });
    const { stream } = await store.get(locationUrl);
    const digest = await digestOf(memory.sampled(stream));
    expect(digest).toBe(await digestOf(patternSource({ sizeBytes })));
    expect(memory.growthBytes()).toBeLessThan(16 * MIB);
    await store.delete(locationUrl);
  });
});
