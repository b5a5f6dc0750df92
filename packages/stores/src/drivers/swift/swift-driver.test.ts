import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import net from 'node:net';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterEach, expect, it, jest } from '@jest/globals';
import { FakeKeystone } from '@glance/keystone-client/testing';
import { MIB, peakBufferBytes } from '../../conformance/memory-use';
import {
  digestOf,
  patternBytes,
  patternSource,
  readAll,
  sourceOf,
} from '../../conformance/pattern';
import { InstrumentedStore } from '../../instrumented-store';
import type { ByteSource } from '../../store-driver';
import type { StoreOptions } from '../../store-options';
import { newName } from '../../../testing/store-directory';
import { describeWithSwift, SERVER_URL, TestContainer } from '../../../testing/swift-test-server';
import { TokenGate } from '../../../testing/token-gate';
import { SwiftDriver } from './swift-driver';

const UNIT = 1_024_000;
/** More than sockets and their relay hold, so that a break is always in the middle. */
const LARGE = 40 * MIB;
const IN_SEGMENTS = { swift_store_large_object_size: 1, swift_store_large_object_chunk_size: 1 };
/** Not by the relay, which has buffers of its own. */
const DIRECT = {
  swift_store_auth_address:
    SERVER_URL === '' ? '' : new URL(SERVER_URL).origin + new URL(SERVER_URL).pathname,
};

describeWithSwift()('the swift store', () => {
  const open: { store: InstrumentedStore; container: TestContainer }[] = [];

  async function makeStore(options: StoreOptions = {}, made: { missing?: boolean } = {}) {
    const container = await TestContainer.make(made);
    const context = { storeId: 'objects', warn: () => undefined };
    const driver = await SwiftDriver.create({ ...container.options, ...options }, context);
    const store = new InstrumentedStore(driver, { id: 'objects', type: 'swift' });
    open.push({ store, container });
    return { store, container };
  }

  afterEach(async () => {
    for (const { store, container } of open.splice(0)) {
      await store.close();
      await container.dispose();
    }
  });

  async function contentOf(store: InstrumentedStore, location: string): Promise<Buffer> {
    return await readAll((await store.get(location)).stream);
  }

  /** A source that does something when so many bytes were taken from it. */
  function sourceWith(sizeBytes: number, at: number, work: () => Promise<void> | void): ByteSource {
    let done = false;
    return patternSource({
      sizeBytes,
      chunkBytes: 64 * 1024,
      onRequest: async (delivered) => {
        if (done || delivered < at) return;
        done = true;
        await work();
      },
    });
  }

  it('makes the container at the first upload, where that is wanted', async () => {
    const { store, container } = await makeStore(
      { swift_store_create_container_on_put: 'true' },
      { missing: true },
    );
    await store.checkWritable();
    const added = await store.add({ ...newName(), source: sourceOf(Buffer.from('x')) });
    await added.settle();
    expect(await contentOf(store, added.locationUrl)).toEqual(Buffer.from('x'));
    expect((await container.contents()).length).toBeGreaterThan(0);
  });

  it('spreads images over containers, and finds all that is in them', async () => {
    const { store, container } = await makeStore(
      { swift_store_create_container_on_put: 'true', swift_store_multiple_containers_seed: 2 },
      { missing: true },
    );
    const names = ['aa', 'ab'].map((start) => {
      const { imageId, uploadId } = newName();
      return { imageId: `${start}${imageId.slice(2)}`, uploadId, firstAttempt: true };
    });
    const added = await Promise.all(
      names.map((name) => store.add({ ...name, source: sourceOf(Buffer.from('x')) })),
    );
    expect(added.map(({ locationUrl }) => locationUrl.split('/').at(-2))).toEqual([
      `${container.name}_aa`,
      `${container.name}_ab`,
    ]);
    const unfinished = await store.listUnfinished();
    expect(unfinished.map(({ imageId }) => imageId).sort()).toEqual(
      names.map(({ imageId }) => imageId),
    );
    await Promise.all(added.map((each) => each.settle()));
    const blobs: string[] = [];
    for await (const { locationUrl } of store.listBlobs()) blobs.push(locationUrl);
    expect(blobs.sort()).toEqual(added.map(({ locationUrl }) => locationUrl));
    for (const url of blobs) await store.delete(url);
    expect(await container.contents()).toEqual([]);
  });

  it('says what to do about a missing container', async () => {
    const { store } = await makeStore({}, { missing: true });
    const refusal = {
      code: 'store_unavailable',
      cause: expect.objectContaining({ message: expect.stringContaining('create it') }),
    };
    await expect(store.checkWritable()).rejects.toMatchObject(refusal);
    const source = sourceOf(Buffer.from('x'));
    await expect(store.add({ ...newName(), source })).rejects.toMatchObject(refusal);
  });

  it('stores what is small as one object, what is not as segments that upstream reads', async () => {
    const { store, container } = await makeStore(IN_SEGMENTS);
    const small = { ...newName(), firstAttempt: true };
    const source = patternSource({ sizeBytes: 5 });
    await (await store.add({ ...small, source, expectedSizeBytes: 5 })).settle();
    expect(await container.contents()).toEqual([small.imageId]);
    const large = { ...newName(), firstAttempt: true };
    const sizeBytes = 2 * UNIT + 1;
    await (await store.add({ ...large, source: patternSource({ sizeBytes }) })).settle();
    const { imageId } = large;
    expect((await container.contents()).filter((name) => name.startsWith(imageId))).toEqual(
      ['', '-00001', '-00002', '-00003'].map((end) => `${imageId}${end}`),
    );
    const manifest = await container.ask('HEAD', `/${container.name}/${imageId}`);
    expect(manifest.headers.get('x-object-manifest')).toBe(`${container.name}/${imageId}-`);
    expect(manifest.headers.get('content-length')).toBe(String(sizeBytes));
  });

  it('stores nothing of unknown size as an empty object', async () => {
    const { store, container } = await makeStore(IN_SEGMENTS);
    const name = { ...newName(), firstAttempt: true };
    await (await store.add({ ...name, source: sourceOf() })).settle();
    expect(await container.contents()).toEqual([name.imageId]);
  });

  it.each([
    ['one object', { expectedSizeBytes: MIB }, {}],
    ['segments', {}, IN_SEGMENTS],
  ])('overwrites nothing that took its name meanwhile, in %s', async (_name, size, options) => {
    const { store, container } = await makeStore(options);
    const name = { ...newName(), firstAttempt: true };
    const other = Buffer.from('of another attempt');
    const source = sourceWith(MIB, MIB / 2, () => container.put(name.imageId, other));
    const adding = store.add({ ...name, ...size, source });
    await expect(adding).rejects.toMatchObject({ code: 'store_duplicate' });
    expect(await container.contents()).toEqual([name.imageId]);
    const answer = await container.ask('GET', `/${container.name}/${name.imageId}`);
    expect(Buffer.from(await answer.arrayBuffer())).toEqual(other);
  });

  it('gives no name whose segments somebody else left behind', async () => {
    const { store, container } = await makeStore(IN_SEGMENTS);
    const name = { ...newName(), firstAttempt: true };
    const leftOver = `${name.imageId}-00002`;
    await container.put(leftOver, Buffer.from('of a process that died'));
    const added = await store.add({ ...name, source: patternSource({ sizeBytes: 7 }) });
    expect(await contentOf(store, added.locationUrl)).toEqual(patternBytes(7));
    await added.discard();
    expect(await container.contents()).toEqual([leftOver]);
  });

  it.each([
    ['one object', { expectedSizeBytes: LARGE }, {}],
    ['a segment', {}, {}],
  ])('leaves nothing of an upload that the server broke off, in %s', async (_name, size, more) => {
    const { store, container } = await makeStore(more);
    container.relay.cutAfter(2 * MIB);
    const source = patternSource({ sizeBytes: LARGE });
    const adding = store.add({ ...newName(), ...size, source });
    await expect(adding).rejects.toMatchObject({ code: 'store_unavailable' });
    expect(await container.contents()).toEqual([]);
  });

  it('leaves the mark of an upload when the server is gone, for the sweep', async () => {
    const { store, container } = await makeStore(IN_SEGMENTS);
    const name = newName();
    const again = { ...container.options, ...DIRECT };
    const source = sourceWith(3 * UNIT, 1.5 * UNIT, () => container.relay.takeAway());
    await expect(store.add({ ...name, source })).rejects.toMatchObject({
      code: 'store_unavailable',
    });
    const own = `${name.imageId}.${name.uploadId}`;
    expect(await container.contents()).toEqual([`${own}-00001`, `glance-unfinished/${own}`]);
    const next = await SwiftDriver.create(again, { storeId: 'objects', warn: () => undefined });
    try {
      expect(await next.listUnfinished()).toEqual([
        { ...name, sizeBytes: UNIT, ageSeconds: expect.any(Number) },
      ]);
      await next.removeUnfinished(name, 'abandoned');
      expect(await container.contents()).toEqual([]);
    } finally {
      await next.close();
    }
  });

  it('sends a segment again that was buffered', async () => {
    const { store, container } = await makeStore(IN_SEGMENTS);
    const options = {
      ...container.options,
      ...IN_SEGMENTS,
      swift_buffer_on_upload: 'true',
      swift_upload_buffer_dir: container.bufferDirectory,
    };
    const driver = await SwiftDriver.create(options, {
      storeId: 'objects',
      warn: () => undefined,
    });
    try {
      container.relay.cutAfter(2 * MIB);
      const sizeBytes = 3 * MIB;
      const added = await driver.add({ ...newName(), source: patternSource({ sizeBytes }) });
      expect((await contentOf(store, added.locationUrl)).equals(patternBytes(sizeBytes))).toBe(
        true,
      );
    } finally {
      await driver.close();
    }
  });

  it('says that the store is full when the server takes nothing so large, and reads no byte', async () => {
    const { store, container } = await makeStore({ swift_store_large_object_size: 10_000_000 });
    let asked = false;
    const source = patternSource({ sizeBytes: MIB, onRequest: () => void (asked = true) });
    const adding = store.add({ ...newName(), source, expectedSizeBytes: 6 * 1024 * MIB });
    await expect(adding).rejects.toMatchObject({ code: 'store_full' });
    expect(asked).toBe(false);
    expect(await container.contents()).toEqual([]);
  });

  it('notices that a segment is lost', async () => {
    const { store, container } = await makeStore(IN_SEGMENTS);
    const name = { ...newName(), firstAttempt: true };
    const added = await store.add({ ...name, source: patternSource({ sizeBytes: 3 * UNIT }) });
    await added.settle();
    await container.remove(`${name.imageId}-00002`);
    const corrupt = { code: 'store_blob_corrupt' };
    const range = { offset: 0, length: 1 };
    await expect(store.get(added.locationUrl)).rejects.toMatchObject(corrupt);
    await expect(store.get(added.locationUrl, { range })).rejects.toMatchObject(corrupt);
    await expect(store.sizeOf(added.locationUrl)).rejects.toMatchObject(corrupt);
    await store.delete(added.locationUrl);
    expect(await container.contents()).toEqual([]);
  });

  it('deletes a static large object with its segments, and nothing else', async () => {
    const { store, container } = await makeStore();
    const { imageId } = newName();
    const segments = [`${imageId}-1`, `${imageId}-2`];
    for (const name of segments) await container.put(name, randomBytes(10));
    const manifest = segments.map((name) => ({ path: `/${container.name}/${name}` }));
    await container.ask('PUT', `/${container.name}/${imageId}?multipart-manifest=put`, {
      body: JSON.stringify(manifest),
    });
    await container.put('other', Buffer.from('x'));
    const { locationUrl } = await store
      .listBlobs()
      .next()
      .then(({ value }) => value!);
    expect(await store.sizeOf(locationUrl)).toBe(20);
    await store.delete(locationUrl);
    expect(await container.contents()).toEqual(['other']);
    await container.remove('other');
  });

  describe('copies', () => {
    const newImage = () => ({ ...newName(), firstAttempt: true });

    it('segments as an upload writes them', async () => {
      const { store, container } = await makeStore(IN_SEGMENTS);
      const [original, copy] = [newImage(), newImage()];
      const sizeBytes = 2 * UNIT + 1;
      const added = await store.add({ ...original, source: patternSource({ sizeBytes }) });
      await added.settle();
      const copied = await store.copy(added.locationUrl, copy);
      await copied.settle();
      await store.delete(added.locationUrl);
      const { imageId } = copy;
      expect(await container.contents()).toEqual(
        ['', '-00001', '-00002', '-00003'].map((end) => `${imageId}${end}`),
      );
      const manifest = await container.ask('HEAD', `/${container.name}/${imageId}`);
      expect(manifest.headers.get('x-object-manifest')).toBe(`${container.name}/${imageId}-`);
      const content = await contentOf(store, copied.locationUrl);
      expect(content.equals(patternBytes(sizeBytes))).toBe(true);
    });

    it('what is one object as one object', async () => {
      const { store, container } = await makeStore(IN_SEGMENTS);
      const [original, copy] = [newImage(), newImage()];
      const source = patternSource({ sizeBytes: 5 });
      const added = await store.add({ ...original, source, expectedSizeBytes: 5 });
      await added.settle();
      await (await store.copy(added.locationUrl, copy)).settle();
      expect(await container.contents()).toEqual([original.imageId, copy.imageId].sort());
    });

    it('a static large object', async () => {
      const { store, container } = await makeStore();
      const { imageId } = newName();
      const parts = [randomBytes(10), randomBytes(7)];
      const segments = parts.map((_, index) => `${imageId}/${index}`);
      for (const [index, part] of parts.entries()) await container.put(segments[index]!, part);
      const manifest = segments.map((name) => ({ path: `/${container.name}/${name}` }));
      await container.ask('PUT', `/${container.name}/${imageId}?multipart-manifest=put`, {
        body: JSON.stringify(manifest),
      });
      const { value } = await store.listBlobs().next();
      const copied = await store.copy(value!.locationUrl, newImage());
      await copied.settle();
      await store.delete(value!.locationUrl);
      expect(await contentOf(store, copied.locationUrl)).toEqual(Buffer.concat(parts));
    });

    it('nothing of what has lost a segment', async () => {
      const { store, container } = await makeStore(IN_SEGMENTS);
      const original = newImage();
      const source = patternSource({ sizeBytes: UNIT + 1 });
      const { locationUrl } = await store.add({ ...original, source });
      await container.remove(`${original.imageId}-00002`);
      await expect(store.copy(locationUrl, newImage())).rejects.toMatchObject({
        code: 'store_blob_corrupt',
      });
    });

    it('nothing of another account', async () => {
      const { store: other, container } = await makeStore();
      const { authAddress: address, user, key } = container;
      const file = join(container.bufferDirectory, 'accounts.conf');
      const account = `auth_address = ${address}\nuser = ${user}\nkey = ${key}\n`;
      await writeFile(file, `[here]\n${account}\n[there]\n${account}`);
      const at = (reference: string): StoreOptions => ({
        swift_store_config_file: file,
        default_swift_reference: reference,
        swift_store_container: container.name,
      });
      const { store } = await makeStore(at('here'));
      const source = sourceOf(Buffer.from('x'));
      const added = await other.add({ ...newImage(), source, expectedSizeBytes: 1 });
      await added.settle();
      const name = added.locationUrl.split('/').slice(-2).join('/');
      const copying = store.copy(`swift+config://there/${name}`, newImage());
      await expect(copying).rejects.toMatchObject({ code: 'store_get_unsupported' });
      const copied = await store.copy(`swift+config://here/${name}`, newImage());
      await copied.discard();
    });

    it('until they are given up', async () => {
      const { store, container } = await makeStore(IN_SEGMENTS);
      const [original, copy] = [newImage(), newImage()];
      const source = patternSource({ sizeBytes: 24 * UNIT });
      const { locationUrl, settle } = await store.add({ ...original, source });
      await settle();
      const before = await container.contents();
      const stop = new AbortController();
      const reason = new Error('nobody waits for it');
      const copying = store.copy(locationUrl, { ...copy, signal: stop.signal });
      const refusal = expect(copying).rejects.toBe(reason);
      const isUnderWay = async (): Promise<boolean> =>
        (await container.contents()).includes(`${copy.imageId}-00001`);
      while (!(await isUnderWay()));
      stop.abort(reason);
      await refusal;
      await store.removeUnfinished(copy, 'abandoned');
      expect(await container.contents()).toEqual(before);
    });
  });

  it('deletes no objects that only a forged manifest names', async () => {
    const { store, container } = await makeStore();
    const { imageId } = newName();
    await container.put(`${imageId}.other`, Buffer.from('x'));
    await container.put(imageId, Buffer.alloc(0), {
      'x-object-manifest': `${container.name}/${imageId}`,
    });
    const { value } = await store.listBlobs().next();
    await store.delete(value!.locationUrl);
    expect(await container.contents()).toEqual([`${imageId}.other`]);
  });

  it.each([
    [0, 'store_blob_corrupt'],
    [1, 'whole'],
  ])('goes on with a download that breaks off, if it may: %i times', async (retries, outcome) => {
    const { store, container } = await makeStore({ swift_store_retry_get_count: retries });
    const source = patternSource({ sizeBytes: LARGE });
    const { locationUrl } = await store.add({ ...newName(), source, expectedSizeBytes: LARGE });
    const range = { offset: 5, length: LARGE - 10 };
    const { stream } = await store.get(locationUrl, { range });
    const first = Buffer.from((await stream.next()).value!);
    container.relay.cut();
    const read = readAll(stream).then(
      (rest) => Buffer.concat([first, rest]).equals(patternBytes(range.length, 5)) && 'whole',
      (error: unknown) => (error as { code: string }).code,
    );
    expect(await read).toBe(outcome);
  });

  it('tells no credentials when the server refuses them', async () => {
    const { store } = await makeStore({ swift_store_key: 'a-wrong-key' });
    const failure: unknown = await store.checkWritable().catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: 'store_write_denied' });
    expect(inspect(failure, { depth: Infinity, showHidden: true })).not.toMatch(/a-wrong-key/);
  });

  it('does not keep a large upload in memory', async () => {
    const { store } = await makeStore({ ...DIRECT, swift_store_large_object_chunk_size: 20 });
    const sizeBytes = 96 * MIB;
    const memory = peakBufferBytes();
    const source = patternSource({ sizeBytes, onRequest: memory.sample });
    const added = await store.add({ ...newName(), source });
    expect(memory.growthBytes()).toBeLessThan(8 * MIB);
    const { stream } = await store.get(added.locationUrl);
    expect(await digestOf(stream)).toBe(await digestOf(patternSource({ sizeBytes })));
  });

  it('gives up a server that answers nothing', async () => {
    const { container } = await makeStore();
    const silent = net.createServer();
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const { port } = silent.address() as net.AddressInfo;
    const driver = await SwiftDriver.create(
      { ...container.options, swift_store_endpoint: `http://127.0.0.1:${port}/v1/AUTH_test` },
      { storeId: 'objects', warn: () => undefined },
      { answerMs: 300 },
    );
    try {
      await expect(driver.checkWritable()).rejects.toMatchObject({ code: 'store_unavailable' });
    } finally {
      await driver.close();
      silent.close();
    }
  });

  it('logs in at Keystone, and again when a token is refused in the middle of an upload', async () => {
    const { container } = await makeStore();
    const keystone = await FakeKeystone.start();
    let accepted = 'service-token-1';
    const { storageUrl, token } = container.account;
    const gate = await TokenGate.start(storageUrl, token, () => accepted);
    const endpoint = (name: string, region_id: string, url: string) => ({
      type: name,
      endpoints: [{ interface: 'internal', region_id, url }],
    });
    keystone.catalog = [
      endpoint('image', 'one', 'http://127.0.0.1:1/'),
      endpoint('object-store', 'two', 'http://127.0.0.1:1/'),
      endpoint('object-store', 'one', gate.url),
    ];
    const driver = await SwiftDriver.create(
      {
        ...container.options,
        ...IN_SEGMENTS,
        swift_store_auth_version: '3',
        swift_store_auth_address: keystone.url,
        swift_store_user: 'service:glance',
        swift_store_key: keystone.password,
        swift_store_region: 'one',
        swift_store_endpoint_type: 'internalURL',
      },
      { storeId: 'objects', warn: () => undefined },
    );
    try {
      const sizeBytes = 2 * UNIT + UNIT / 2;
      const source = sourceWith(sizeBytes, UNIT / 2, () => {
        accepted = 'service-token-2';
        keystone.revokeServiceToken();
      });
      const added = await driver.add({ ...newName(), source });
      await added.settle();
      expect(gate.refusals).toBe(1);
      expect(keystone.logins).toBe(2);
      expect(keystone.lastLogin).toMatchObject({
        auth: {
          identity: { password: { user: { name: 'glance', domain: { id: 'default' } } } },
          scope: { project: { name: 'service', domain: { id: 'default' } } },
        },
      });
      const { stream } = await driver.get(added.locationUrl);
      expect((await readAll(stream)).equals(patternBytes(sizeBytes))).toBe(true);
      keystone.failWith = 503;
      keystone.revokeServiceToken();
      accepted = 'service-token-3';
      await expect(driver.checkWritable()).rejects.toMatchObject({ code: 'store_unavailable' });
    } finally {
      await driver.close();
      await gate.close();
      await keystone.stop();
    }
  });

  it('gets a new token before the old one ends', async () => {
    const { container } = await makeStore();
    const keystone = await FakeKeystone.start();
    const { storageUrl, token } = container.account;
    const gate = await TokenGate.start(storageUrl, token, () => `service-token-${keystone.logins}`);
    // Twice the interval: a token is good for one minute of its two.
    keystone.serviceTokenLifeMs = 60_000;
    const driver = await SwiftDriver.create(
      {
        ...container.options,
        swift_store_auth_version: '3',
        swift_store_auth_address: keystone.url,
        swift_store_user: 'service:glance',
        swift_store_key: keystone.password,
        swift_store_endpoint: gate.url,
        swift_store_expire_soon_interval: '30',
      },
      { storeId: 'objects', warn: () => undefined },
    );
    const now = jest.spyOn(Date, 'now');
    try {
      await driver.checkWritable();
      const later = Date.now() + 31_000;
      now.mockReturnValue(later);
      await driver.checkWritable();
      expect(keystone.logins).toBe(2);
      expect(gate.refusals).toBe(0);
    } finally {
      now.mockRestore();
      await driver.close();
      await gate.close();
      await keystone.stop();
    }
  });
});
