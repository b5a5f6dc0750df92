import { randomBytes, randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { MIB } from '../../conformance/memory-use';
import { patternSource, readAll, sourceOf } from '../../conformance/pattern';
import { InstrumentedStore } from '../../instrumented-store';
import type { AddedBlob, ByteSource } from '../../store-driver';
import {
  SheepStandIn,
  type SheepFault,
  type SheepOperation,
} from '../../../testing/sheep-stand-in';
import { describeWithSheepdog, RealSheep } from '../../../testing/sheepdog-test-server';
import { PART_MEMORY } from '../s3/part-memory';
import { SheepdogDriver } from './sheepdog-driver';

/** Three objects. */
const DATA = randomBytes(9 * MIB);
const UNAVAILABLE = { code: 'store_unavailable' };
const NO_SPACE = 0x15;
const IO_ERROR = 0x03;

describe('the sheepdog store in front of a server that fails', () => {
  let sheep: SheepStandIn;
  let store: InstrumentedStore;
  let warnings: string[];

  beforeEach(async () => {
    sheep = await SheepStandIn.start();
    warnings = [];
    store = await openStore();
  });

  afterEach(async () => {
    await store.close();
    await sheep.close();
    expect(PART_MEMORY.usedBytes).toBe(0);
  });

  async function openStore(answerMs = 30_000): Promise<InstrumentedStore> {
    const driver = await SheepdogDriver.create(
      { sheepdog_store_port: sheep.port },
      { storeId: 'sheep', warn: (message) => warnings.push(message) },
      { connectMs: 30_000, answerMs },
    );
    return new InstrumentedStore(driver, { id: 'sheep', type: 'sheepdog' });
  }

  /** Of unknown size. */
  function add(source: ByteSource = sourceOf(DATA), to = store): Promise<AddedBlob> {
    const name = { imageId: randomUUID(), uploadId: randomUUID() };
    return to.add({ ...name, firstAttempt: true, source });
  }

  /** For as long as the work takes, a store that does not wait for a server that says nothing. */
  async function withStore<T>(
    fault: SheepFault,
    work: (to: InstrumentedStore) => Promise<T>,
  ): Promise<T> {
    if (fault !== 'hang') return work(store);
    const impatient = await openStore(700);
    try {
      return await work(impatient);
    } finally {
      await impatient.close();
    }
  }

  /** It fails as unavailable. */
  const failToAdd = (fault: SheepFault): Promise<void> =>
    withStore(fault, (to) => expect(add(sourceOf(DATA), to)).rejects.toMatchObject(UNAVAILABLE));

  async function sweep(): Promise<number> {
    const unfinished = await store.listUnfinished();
    for (const left of unfinished) await store.removeUnfinished(left, 'abandoned');
    return unfinished.length;
  }

  async function contentOf({ locationUrl }: AddedBlob): Promise<Buffer> {
    return readAll((await store.get(locationUrl)).stream);
  }

  it.each<[SheepOperation, SheepFault]>([
    ['create', 'reset'],
    ['create', 'lost answer'],
    ['write', 'reset'],
    ['write', 'lost answer'],
    ['read', 'reset'],
  ])('stores and serves a blob though a connection breaks (%s, %s)', async (operation, fault) => {
    sheep.plan(operation, fault, { times: 1 });
    const added = await add();
    await added.settle();
    sheep.plan('read', 'reset', { times: 1 });
    expect((await contentOf(added)).equals(DATA)).toBe(true);
  });

  it('goes on with new connections after the server was started again', async () => {
    const added = await add();
    sheep.breakConnections();
    expect((await contentOf(added)).equals(DATA)).toBe(true);
  });

  it.each<[string, number]>([
    ['the image', 0],
    ['its first object', 1],
    ['its last object', 3],
  ])('says that it is full, and leaves nothing: no space for %s', async (_, after) => {
    if (after === 0) sheep.plan('newVdi', NO_SPACE);
    else sheep.plan('create', NO_SPACE, { after: after - 1 });
    await expect(add()).rejects.toMatchObject({ code: 'store_full' });
    expect(sheep.contents()).toEqual([]);
    expect(warnings).toEqual([]);
  });

  it.each<SheepOperation>(['create', 'write', 'newVdi'])(
    'names the error of a disk, and leaves nothing (%s)',
    async (operation) => {
      sheep.plan(operation, IO_ERROR, { times: 1 });
      await expect(add()).rejects.toMatchObject({
        ...UNAVAILABLE,
        cause: { message: expect.stringContaining('I/O error (result 0x3)') },
      });
      expect(sheep.contents()).toEqual([]);
    },
  );

  it('refuses what is larger than an image can be', async () => {
    const name = { imageId: randomUUID(), uploadId: randomUUID() };
    const adding = store.add({ ...name, source: sourceOf(DATA), expectedSizeBytes: 2 ** 42 + 1 });
    await expect(adding).rejects.toMatchObject({ code: 'store_full' });
    expect(sheep.contents()).toEqual([]);
  });

  // As when the process dies there: its last request may have been served or not.
  describe.each<SheepFault>(['hang', 'reset', 'lost answer'])(
    'an upload that ends by %s',
    (fault) => {
      it.each<[string, SheepOperation, number]>([
        ['at the first object', 'create', 0],
        ['at the last object', 'create', 2],
        ['before it is visible', 'read', 0],
      ])('%s, is swept', async (_, operation, after) => {
        sheep.plan(operation, fault, { after });
        await failToAdd(fault);
        expect(warnings).toEqual([expect.stringContaining('a sweep will')]);
        sheep.heal();
        expect(await sweep()).toBe(1);
        expect(sheep.contents()).toEqual([]);
      });

      // Two before the data: that it is being written, and its size.
      it.each([1, 2, 3, 4, 5])('at write %i of its inode, is swept', async (after) => {
        sheep.plan('write', fault, { after });
        await failToAdd(fault);
        sheep.heal();
        expect(await sweep()).toBe(1);
        expect(sheep.contents()).toEqual([]);
      });
    },
  );

  it.each<[SheepOperation, SheepFault]>([
    ['newVdi', 'lost answer'],
    ['write', 'reset'],
  ])(
    'an upload that ends before its image says whose it is leaves an empty blob',
    async (...plan) => {
      sheep.plan(...plan);
      await expect(add()).rejects.toMatchObject(UNAVAILABLE);
      sheep.heal();
      const left = [];
      for await (const blob of store.listBlobs()) left.push(blob);
      expect(left).toMatchObject([{ sizeBytes: 0, uploadId: undefined }]);
      await store.delete(left[0]?.locationUrl ?? '');
      expect(sheep.contents()).toEqual([]);
    },
  );

  describe('a removal that is interrupted', () => {
    it.each<[string, SheepOperation, number]>([
      ['before the data is given up', 'write', 1],
      ['before the image goes', 'remove', 0],
    ])('%s, hides the blob and can be ended', async (_, operation, after) => {
      const added = await add();
      await added.settle();
      sheep.plan(operation, 'reset', { after });
      await expect(store.delete(added.locationUrl)).rejects.toMatchObject(UNAVAILABLE);
      sheep.heal();
      const missing = { code: 'store_blob_missing' };
      await expect(store.get(added.locationUrl)).rejects.toMatchObject(missing);
      await expect(store.sizeOf(added.locationUrl)).rejects.toMatchObject(missing);
      await store.delete(added.locationUrl);
      expect(sheep.contents()).toEqual([]);
    });

    it('of an abandoned upload is ended by the next sweep', async () => {
      const { discard } = await add();
      sheep.plan('remove', 'reset');
      await expect(discard()).rejects.toMatchObject(UNAVAILABLE);
      sheep.heal();
      expect(await sweep()).toBe(1);
      expect(sheep.contents()).toEqual([]);
    });
  });

  it('stores nothing for an upload that slept until a sweep had removed it', async () => {
    const sweeping = patternSource({
      sizeBytes: 9 * MIB,
      onRequest: async (delivered) => {
        if (delivered === 6 * MIB) expect(await sweep()).toBe(1);
      },
    });
    await expect(add(sweeping)).rejects.toMatchObject({
      ...UNAVAILABLE,
      cause: { message: expect.stringContaining('removed while it was written') },
    });
    expect(sheep.contents()).toEqual([]);
  });

  it('reads no holes where data was removed meanwhile', async () => {
    const added = await add();
    const sparse = await add(sourceOf(Buffer.alloc(9 * MIB)));
    for (const { locationUrl } of [added, sparse]) {
      const { stream } = await store.get(locationUrl);
      await stream.next();
      await store.delete(locationUrl);
      await expect(readAll(stream)).rejects.toMatchObject({ code: 'store_blob_corrupt' });
    }
  });

  it.each<[string, SheepFault]>([
    ['says nothing', 'hang'],
    ['is not formatted', 0x16],
    ['has stopped I/O', 0x19],
  ])('is unavailable while the cluster %s', async (_, fault) => {
    const { locationUrl } = await add();
    for (const operation of ['find', 'newVdi', 'list'] as const) sheep.plan(operation, fault);
    await withStore(fault, async (to) => {
      await expect(to.get(locationUrl)).rejects.toMatchObject(UNAVAILABLE);
      await expect(to.sizeOf(locationUrl)).rejects.toMatchObject(UNAVAILABLE);
      await expect(to.delete(locationUrl)).rejects.toMatchObject(UNAVAILABLE);
      await expect(to.listUnfinished()).rejects.toMatchObject(UNAVAILABLE);
      await expect(to.listBlobs().next()).rejects.toMatchObject(UNAVAILABLE);
      await expect(to.checkWritable()).rejects.toMatchObject(UNAVAILABLE);
      await expect(add(sourceOf(DATA), to)).rejects.toMatchObject(UNAVAILABLE);
    });
    sheep.heal();
    expect(await store.sizeOf(locationUrl)).toBe(DATA.length);
  });

  it('fails a download whose server falls silent', async () => {
    const { locationUrl } = await add();
    await withStore('hang', async (impatient) => {
      const { stream } = await impatient.get(locationUrl);
      await stream.next();
      sheep.plan('read', 'hang');
      await expect(readAll(stream)).rejects.toMatchObject(UNAVAILABLE);
      expect(impatient.metrics().openReaders).toBe(0);
    });
  });

  it('serves twenty readers through a few connections', async () => {
    const added = await add();
    const reading = Array.from({ length: 20 }, async () => (await contentOf(added)).equals(DATA));
    expect(await Promise.all(reading)).toEqual(reading.map(() => true));
    expect(sheep.connections).toBeLessThanOrEqual(4);
  });
});

describeWithSheepdog()('a real cluster that was never formatted', () => {
  it('is unavailable, and the cause says what to do', async () => {
    const sheep = await RealSheep.start({ formatted: false });
    const context = { storeId: 'sheep', warn: () => undefined };
    const driver = await SheepdogDriver.create({ sheepdog_store_port: sheep.port }, context);
    await expect(driver.checkWritable()).rejects.toMatchObject({
      ...UNAVAILABLE,
      cause: { message: expect.stringContaining('dog cluster format') },
    });
    await driver.close();
    await sheep.stop();
  });
});
