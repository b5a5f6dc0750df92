import { randomBytes, randomUUID } from 'node:crypto';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { inspect } from 'node:util';
import { afterEach, expect, it } from '@jest/globals';
import { digestOf, patternSource, sourceOf } from '../../conformance/pattern';
import { MIB, peakBufferBytes } from '../../conformance/memory-use';
import { InstrumentedStore } from '../../instrumented-store';
import type { StoreOptions } from '../../store-options';
import { describeWithS3, SERVER_URL, TestBucket } from '../../../testing/s3-test-server';
import { S3Driver } from './s3-driver';

/** Not by the relay, which has buffers of its own. */
const DIRECT = { s3_store_host: new URL(SERVER_URL === '' ? 'http://unset' : SERVER_URL).host };
const upload = () => ({ imageId: randomUUID(), uploadId: randomUUID() });

describeWithS3()('the s3 store', () => {
  const open: { store: InstrumentedStore; bucket: TestBucket }[] = [];

  async function makeStore(options: StoreOptions = {}, made: { missing?: boolean } = {}) {
    const bucket = await TestBucket.make(made);
    const context = { storeId: 'objects', warn: () => undefined };
    const driver = await S3Driver.create({ ...bucket.options, ...options }, context);
    const store = new InstrumentedStore(driver, { id: 'objects', type: 's3' });
    open.push({ store, bucket });
    return { store, bucket };
  }

  afterEach(async () => {
    for (const { store, bucket } of open.splice(0)) {
      await store.close();
      await bucket.dispose();
    }
  });

  it('makes the bucket at the first upload, where that is wanted', async () => {
    const { store, bucket } = await makeStore(
      { s3_store_create_bucket_on_put: 'true' },
      { missing: true },
    );
    await store.checkWritable();
    const added = await store.add({ ...upload(), source: sourceOf(Buffer.from('x')) });
    await added.settle();
    expect(await bucket.contents()).toEqual([added.locationUrl.split('/').at(-1)]);
  });

  it('says what to do about a missing bucket', async () => {
    const { store } = await makeStore({}, { missing: true });
    const refusal = {
      code: 'store_unavailable',
      cause: expect.objectContaining({ message: expect.stringContaining('create it') }),
    };
    await expect(store.checkWritable()).rejects.toMatchObject(refusal);
    const source = sourceOf(Buffer.from('x'));
    await expect(store.add({ ...upload(), source })).rejects.toMatchObject(refusal);
  });

  it.each([
    ['one request', 200_000, {}],
    ['parts', 6 * MIB, { s3_store_large_object_size: 0, s3_store_large_object_chunk_size: 5 }],
  ])('gives up a server that answers nothing, in %s', async (_name, sizeBytes, options) => {
    const bucket = await TestBucket.make();
    let answersData = true;
    const relay = http.createServer((request, response) => {
      const isMark = request.url?.includes('glance-unfinished') === true;
      if (request.method === 'PUT' && !isMark && !answersData) {
        // Takes every byte, and says nothing.
        request.resume();
        return;
      }
      const { hostname, port } = new URL(SERVER_URL);
      const { method, headers, url: path } = request;
      const passed = http.request({ hostname, port, method, headers, path }, (answer) => {
        response.writeHead(answer.statusCode ?? 500, answer.headers);
        answer.pipe(response);
      });
      request.pipe(passed);
    });
    await new Promise<void>((resolve) => relay.listen(0, '127.0.0.1', resolve));
    const { port } = relay.address() as AddressInfo;
    const driver = await S3Driver.create(
      { ...bucket.options, ...options, s3_store_host: `127.0.0.1:${port}` },
      { storeId: 'objects', warn: () => undefined },
      { answerMs: 300 },
    );
    try {
      answersData = false;
      const source = sourceOf(randomBytes(sizeBytes));
      const adding = driver.add({ ...upload(), source, expectedSizeBytes: sizeBytes });
      await expect(adding).rejects.toMatchObject({ code: 'store_unavailable' });
      answersData = true;
      const added = await driver.add({ ...upload(), source: sourceOf(Buffer.from('x')) });
      await added.settle();
    } finally {
      await driver.close();
      relay.closeAllConnections();
      await new Promise((resolve) => relay.close(resolve));
      await bucket.dispose();
    }
  });

  it('tells no credentials when the server refuses them', async () => {
    const wrong = { s3_store_access_key: 'test', s3_store_secret_key: 'a-wrong-secret' };
    const { store } = await makeStore(wrong);
    const failure: unknown = await store.checkWritable().catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: 'store_write_denied' });
    expect(inspect(failure, { depth: Infinity, showHidden: true })).not.toMatch(
      /a-wrong-secret|Signature=|Credential=/,
    );
  });

  it('does not keep a large upload of announced size in memory', async () => {
    const { store } = await makeStore(DIRECT);
    const sizeBytes = 96 * MIB;
    const memory = peakBufferBytes();
    const source = patternSource({ sizeBytes, onRequest: memory.sample });
    await store.add({ ...upload(), source, expectedSizeBytes: sizeBytes });
    expect(memory.growthBytes()).toBeLessThan(8 * MIB);
  });

  it('keeps no more than the parts on their way of an upload of unknown size', async () => {
    const { store } = await makeStore({
      ...DIRECT,
      s3_store_large_object_chunk_size: 5,
      s3_store_thread_pools: 2,
    });
    const sizeBytes = 96 * MIB + 7;
    const memory = peakBufferBytes();
    const source = patternSource({ sizeBytes, onRequest: memory.sample });
    const added = await store.add({ ...upload(), source });
    expect(added.sizeBytes).toBe(sizeBytes);
    expect(memory.growthBytes()).toBeLessThan(32 * MIB);
    const { stream } = await store.get(added.locationUrl);
    expect(await digestOf(stream)).toBe(await digestOf(patternSource({ sizeBytes })));
  });

  it('lists and aborts the parts of an upload whose process died', async () => {
    const { store, bucket } = await makeStore({ s3_store_large_object_chunk_size: 5 });
    const name = upload();
    await bucket.abandonPart(`${name.imageId}.${name.uploadId}`, Buffer.alloc(5 * MIB));
    expect(await store.listUnfinished()).toEqual([
      { ...name, sizeBytes: 5 * MIB, ageSeconds: expect.any(Number) },
    ]);
    await store.removeUnfinished(name, 'abandoned');
    expect(await bucket.contents()).toEqual([]);
  });
});
