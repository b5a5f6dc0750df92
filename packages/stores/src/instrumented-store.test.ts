import { randomUUID } from 'node:crypto';
import { DomainError } from '@glance/common';
import { patternSource, readAll, sourceOf } from './conformance';
import { MemoryDriver } from './drivers/memory/memory-driver';
import { InstrumentedStore } from './instrumented-store';
import type { StoreIdentity } from './instrumented-store';
import type { BlobStream, StoreDriver } from './store-driver';

const newName = () => ({ imageId: randomUUID(), uploadId: randomUUID() });
const never = new Promise<never>(() => undefined);

/** A memory store with some of its methods replaced. */
function storeWith(changes: Partial<StoreDriver>, identity: Partial<StoreIdentity> = {}) {
  const driver: StoreDriver = Object.assign(new MemoryDriver(), changes);
  return new InstrumentedStore(driver, { id: 'fast', type: 'memory', ...identity });
}

function streamOf(...chunks: string[]): BlobStream {
  const source = sourceOf(...chunks.map((chunk) => Buffer.from(chunk)));
  return source as unknown as BlobStream;
}

describe('an instrumented store', () => {
  it('records its id beside locations when stores are named', async () => {
    const source = () => sourceOf(Buffer.from('x'));
    const named = storeWith({}, { recordId: true });
    expect((await named.add({ ...newName(), source: source() })).metadata).toEqual({
      store: 'fast',
    });
    const legacy = storeWith({});
    expect((await legacy.add({ ...newName(), source: source() })).metadata).toEqual({});
  });

  it('names itself in the errors of its driver and keeps their cause', async () => {
    const cause = new Error('disk on fire');
    const failure = new DomainError('store_full', 'full', { cause, details: { freeBytes: 0 } });
    const store = storeWith({ sizeOf: () => Promise.reject(failure) });
    await expect(store.sizeOf('memory://x')).rejects.toMatchObject({
      code: 'store_full',
      message: 'full',
      details: { freeBytes: 0, store: 'fast' },
      cause,
    });
  });

  it.each<[string, unknown]>([
    ['an error of no domain', new TypeError('x is undefined')],
    ['no error at all', 'plain text'],
  ])('turns %s into store_failed without its text', async (_, thrown) => {
    const store = storeWith({
      delete: () => {
        throw thrown;
      },
    });
    await expect(store.delete('memory://x')).rejects.toMatchObject({
      code: 'store_failed',
      message: 'The image store failed.',
      details: { store: 'fast' },
      cause: thrown,
    });
  });

  describe('whose driver lacks an ability', () => {
    const unable = { add: false, delete: false, partialRead: false, list: false };
    const store = storeWith({
      capabilities: unable,
      add: () => never,
      delete: () => never,
      get: () => never,
      checkWritable: () => never,
    });

    it('refuses to add before it touches the source', async () => {
      const onRequest = jest.fn();
      const source = patternSource({ sizeBytes: 1, onRequest });
      const refusal = { code: 'store_add_disabled', details: { store: 'fast' } };
      await expect(store.add({ ...newName(), source })).rejects.toMatchObject(refusal);
      await expect(store.checkWritable()).rejects.toMatchObject(refusal);
      expect(onRequest).not.toHaveBeenCalled();
    });

    it('refuses to delete and to read a part', async () => {
      await expect(store.delete('memory://x')).rejects.toMatchObject({
        code: 'store_delete_denied',
      });
      const range = { offset: 3, length: 4 };
      await expect(store.get('memory://x', { range })).rejects.toMatchObject({
        code: 'store_get_unsupported',
        message: 'Getting images randomly from this store is not supported. Offset: 3, length: 4',
      });
    });
  });

  it.each([-1, 0.5, NaN, Infinity])(
    'refuses an announced size of %d',
    async (expectedSizeBytes) => {
      const store = storeWith({});
      const source = sourceOf(Buffer.from('x'));
      const adding = store.add({ ...newName(), source, expectedSizeBytes });
      await expect(adding).rejects.toMatchObject({ code: 'invalid_request' });
    },
  );

  it('discards a blob whose driver stopped reading too early, and fails', async () => {
    const settle = jest.fn(() => Promise.resolve());
    const discard = jest.fn(() => Promise.resolve());
    const store = storeWith({
      add: async ({ source }) => {
        for await (const chunk of source) {
          return { locationUrl: 'x', sizeBytes: chunk.length, metadata: {}, settle, discard };
        }
        throw new Error('unreachable');
      },
    });
    const source = patternSource({ sizeBytes: 1_000_000 });
    const adding = store.add({ ...newName(), source });
    await expect(adding).rejects.toMatchObject({ code: 'store_failed' });
    expect(discard).toHaveBeenCalledTimes(1);
  });

  it('tells the producer to stop when the driver fails', async () => {
    let stopped = false;
    async function* producer(): AsyncGenerator<Uint8Array> {
      try {
        for (;;) yield await Promise.resolve(Buffer.alloc(1000));
      } finally {
        stopped = true;
      }
    }
    const driver = new MemoryDriver({ capacityBytes: 5000 });
    const store = new InstrumentedStore(driver, { id: 'small', type: 'memory' });
    const adding = store.add({ ...newName(), source: producer() });
    await expect(adding).rejects.toMatchObject({ code: 'store_full', details: { store: 'small' } });
    expect(stopped).toBe(true);
  });

  it('tells the producer to stop when the driver fails before it reads', async () => {
    const producer = patternSource({ sizeBytes: 1 });
    const stop = jest.spyOn(producer, 'return');
    const store = storeWith({ add: () => Promise.reject(new DomainError('store_full', 'full')) });
    const adding = store.add({ ...newName(), source: producer });
    await expect(adding).rejects.toMatchObject({ code: 'store_full' });
    expect(stop).toHaveBeenCalled();
  });

  it.each([
    ['ends early', ['abc']],
    ['goes on too long', ['abc', 'def', 'g']],
  ])('never passes a stream on as whole that %s', async (_, chunks) => {
    const driverStream = streamOf(...chunks);
    const giveUp = jest.spyOn(driverStream, 'return');
    const store = storeWith({
      get: () => Promise.resolve({ sizeBytes: 6, stream: driverStream }),
    });
    const { stream } = await store.get('memory://x');
    await expect(readAll(stream)).rejects.toMatchObject({
      code: 'store_blob_corrupt',
      details: { store: 'fast' },
    });
    expect(giveUp).toHaveBeenCalled();
    expect(store.metrics().openReaders).toBe(0);
  });

  it('hands no empty chunk to a driver, for which it might be the end', async () => {
    const lengths: number[] = [];
    const store = storeWith({
      add: async ({ source }) => {
        for await (const chunk of source) lengths.push(chunk.length);
        const settle = () => Promise.resolve();
        const discard = settle;
        return { locationUrl: 'x', sizeBytes: 3, metadata: {}, settle, discard };
      },
    });
    const chunks = ['', 'a', '', '', 'bc', ''].map((chunk) => Buffer.from(chunk));
    await store.add({ ...newName(), source: sourceOf(...chunks) });
    expect(lengths).toEqual([1, 2]);
  });

  it('ends a download on an abort although the driver hangs', async () => {
    const controller = new AbortController();
    const reason = new Error('the client left');
    const hanging = { ...streamOf(), next: () => never, return: () => never };
    const stream = { ...hanging, [Symbol.asyncIterator]: () => stream } as BlobStream;
    const store = storeWith({ get: () => Promise.resolve({ sizeBytes: 6, stream }) });
    const opened = await store.get('memory://x', { signal: controller.signal });
    const reading = readAll(opened.stream);
    controller.abort(reason);
    await expect(reading).rejects.toBe(reason);
  });

  describe('whose driver hangs', () => {
    const hang = () => never;
    const hung = { get: hang, sizeOf: hang, delete: hang, checkWritable: hang };
    const limits = { metadataTimeoutMs: 20 };

    it.each<[string, (store: InstrumentedStore) => Promise<unknown>]>([
      ['get', (store) => store.get('memory://x')],
      ['sizeOf', (store) => store.sizeOf('memory://x')],
      ['delete', (store) => store.delete('memory://x')],
      ['checkWritable', (store) => store.checkWritable()],
    ])('gives up %s at the deadline', async (_, attempt) => {
      await expect(attempt(storeWith(hung, limits))).rejects.toMatchObject({
        code: 'store_unavailable',
        details: { store: 'fast' },
        cause: { message: expect.stringMatching(/^Operation timed out after 0.02s/) },
      });
    });

    it('prefers the limit of the driver’s own options', async () => {
      const store = storeWith({ ...hung, metadataTimeoutMs: 10 }, { metadataTimeoutMs: 1e8 });
      await expect(store.sizeOf('memory://x')).rejects.toMatchObject({
        code: 'store_unavailable',
      });
    });

    it('gives up opening a blob when the client leaves', async () => {
      const controller = new AbortController();
      const reason = new Error('the client left');
      const opening = storeWith(hung).get('memory://x', { signal: controller.signal });
      controller.abort(reason);
      await expect(opening).rejects.toBe(reason);
    });

    it('frees a blob that opened after the deadline', async () => {
      const driver = new MemoryDriver();
      let open = (): void => undefined;
      const late = new Promise<void>((resolve) => (open = resolve));
      const get = driver.get.bind(driver);
      const added = await new InstrumentedStore(driver, { id: 'a', type: 'memory' }).add({
        ...newName(),
        source: sourceOf(Buffer.from('x')),
      });
      const store = new InstrumentedStore(
        Object.assign(driver, {
          get: async (url: string) => {
            await late;
            const opened = await get(url);
            expect(driver.openReaders).toBe(1);
            return opened;
          },
        }),
        { id: 'a', type: 'memory', metadataTimeoutMs: 10 },
      );
      await expect(store.get(added.locationUrl)).rejects.toMatchObject({
        code: 'store_unavailable',
      });
      open();
      await new Promise(setImmediate);
      expect(driver.openReaders).toBe(0);
    });
  });

  it('counts operations, failures by code, bytes and open readers', async () => {
    const driver = new MemoryDriver();
    const store = new InstrumentedStore(driver, { id: 'fast', type: 'memory' });
    const { locationUrl } = await store.add({
      ...newName(),
      source: patternSource({ sizeBytes: 1000 }),
    });
    const failing = patternSource({
      sizeBytes: 500,
      onRequest: (delivered) => {
        if (delivered === 500) throw new Error('cut off');
      },
    });
    await expect(store.add({ ...newName(), source: failing })).rejects.toThrow('cut off');
    const { stream } = await store.get(locationUrl, { range: { offset: 0, length: 300 } });
    expect(store.metrics().openReaders).toBe(1);
    await readAll(stream);
    await expect(store.sizeOf('memory://none')).rejects.toBeDefined();
    const signal = AbortSignal.abort(new Error('left'));
    await expect(store.get(locationUrl, { signal })).rejects.toThrow('left');

    const duration = { totalMs: expect.any(Number), maxMs: expect.any(Number) };
    expect(store.metrics()).toEqual({
      storeId: 'fast',
      type: 'memory',
      bytesWritten: 1500,
      bytesRead: 300,
      openReaders: 0,
      operations: {
        add: { calls: 2, inFlight: 0, failures: { source_failed: 1 }, ...duration },
        get: { calls: 2, inFlight: 0, failures: { aborted: 1 }, ...duration },
        sizeOf: { calls: 1, inFlight: 0, failures: { store_blob_missing: 1 }, ...duration },
      },
    });
  });
});
