import { spawn } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { DomainError } from '@glance/common';
import {
  digestOf,
  patternBytes,
  patternSource,
  readAll,
  sourceOf,
} from '../../conformance/pattern';
import { MIB } from '../../conformance/memory-use';
import { InstrumentedStore } from '../../instrumented-store';
import { StoreConfigurationError } from '../../store-configuration-error';
import type { StoreOptions } from '../../store-options';
import { addSettled, newName } from '../../../testing/store-directory';
import { describeWithCeph, TestPool } from '../../../testing/ceph-test-pool';
import { RbdDriver } from './rbd-driver';

const IN_USE = { code: 'store_in_use' };
const MISSING = { code: 'store_blob_missing' };
/** The OSD believes in a dead client for a while. */
const WATCH_MS = 60_000;

describeWithCeph()('the rbd store', () => {
  let pool: TestPool;
  let driver: RbdDriver;
  let store: InstrumentedStore;
  const opened: InstrumentedStore[] = [];

  beforeAll(async () => {
    pool = await TestPool.make();
  });
  afterAll(() => pool.dispose());

  async function open(
    options: StoreOptions = {},
  ): Promise<{ driver: RbdDriver; store: InstrumentedStore }> {
    const made = await RbdDriver.create(
      { ...pool.options, ...options },
      { storeId: 'ceph', warn: () => undefined },
    );
    const instrumented = new InstrumentedStore(made, { id: 'ceph', type: 'rbd' });
    opened.push(instrumented);
    return { driver: made, store: instrumented };
  }

  beforeEach(async () => {
    ({ driver, store } = await open());
  });
  afterEach(async () => {
    for (const each of opened.splice(0)) await each.close();
  });

  const imageOf = (locationUrl: string): string => locationUrl.split('/').at(-2) ?? '';
  const spec = (image: string): string => `${pool.name}/${image}`;
  const killHelper = (): void => {
    process.kill(driver.helperPid ?? 0, 'SIGKILL');
  };
  const read = async (location: string): Promise<Buffer> =>
    readAll((await store.get(location)).stream);

  async function stored(data: Uint8Array): Promise<{ location: string; image: string }> {
    const added = await addSettled(store, {
      ...newName(),
      firstAttempt: true,
      source: sourceOf(data),
    });
    return { location: added.locationUrl, image: imageOf(added.locationUrl) };
  }

  async function eventually(work: () => Promise<void>): Promise<void> {
    const deadline = Date.now() + WATCH_MS;
    for (;;) {
      try {
        await work();
        return;
      } catch (error) {
        if (Date.now() > deadline) throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, 250));
    }
  }

  it('tells what it is', async () => {
    const fsid = (await pool.ceph('fsid')).trim();
    expect(store.properties).toEqual({
      chunk_size: 8 * MIB,
      pool: pool.name,
      thin_provisioning: false,
      fsid,
    });
    const { location, image } = await stored(Buffer.from('x'));
    expect(location).toBe(`rbd://${fsid}/${pool.name}/${image}/snap`);
    await store.delete(location);
  });

  describe('beside other users of the pool', () => {
    it('stores images that rbd exports, with a protected snapshot to clone', async () => {
      const data = randomBytes(9 * MIB + 11);
      const { location, image } = await stored(data);
      const file = path.join(tmpdir(), `export-${randomUUID()}`);
      try {
        await pool.rbd('export', `${spec(image)}@snap`, file);
        expect((await readFile(file)).equals(data)).toBe(true);
      } finally {
        await rm(file, { force: true });
      }
      const [snapshot] = JSON.parse(
        await pool.rbd('snap', 'ls', '--format', 'json', spec(image)),
      ) as { name: string; protected: string }[];
      expect(snapshot).toMatchObject({ name: 'snap', protected: 'true' });
      const info = JSON.parse(await pool.rbd('info', '--format', 'json', spec(image))) as object;
      expect(info).toMatchObject({ size: data.length, object_size: 8 * MIB, format: 2 });
      await store.delete(location);
    });

    it('copies images as it stores them, and those that rbd imports', async () => {
      const data = Buffer.concat([randomBytes(5 * MIB), Buffer.alloc(20 * MIB), randomBytes(11)]);
      const file = path.join(tmpdir(), `import-${randomUUID()}`);
      await writeFile(file, data);
      await pool.rbd('import', file, spec('original'));
      await rm(file);
      const copied = await store.copy('rbd://original', { ...newName(), firstAttempt: true });
      await copied.settle();
      const { locationUrl: location, sizeBytes } = copied;
      expect(sizeBytes).toBe(data.length);
      await pool.rbd('rm', '--no-progress', spec('original'));
      expect((await read(location)).equals(data)).toBe(true);
      const image = imageOf(location);
      const info = JSON.parse(await pool.rbd('info', '--format', 'json', spec(image))) as object;
      expect(info).toMatchObject({ size: data.length, object_size: 8 * MIB, format: 2 });
      expect(info).not.toHaveProperty('parent');
      const snapshots = await pool.rbd('snap', 'ls', '--format', 'json', spec(image));
      expect(JSON.parse(snapshots)).toMatchObject([{ name: 'snap', protected: 'true' }]);
      const extents = JSON.parse(
        await pool.rbd('diff', '--format', 'json', '--whole-object', `${spec(image)}@snap`),
      ) as { offset: string }[];
      expect(extents.map(({ offset }) => Number(offset))).toEqual([0, 24 * MIB]);
      await store.delete(location);
      expect(await pool.contents()).toEqual([]);
    });

    it('copies until that is given up', async () => {
      const added = await addSettled(store, {
        ...newName(),
        source: patternSource({ sizeBytes: 48 * MIB }),
      });
      const before = await pool.contents();
      const name = newName();
      const stop = new AbortController();
      const reason = new Error('nobody waits for it');
      const copying = store.copy(added.locationUrl, { ...name, signal: stop.signal });
      const refusal = expect(copying).rejects.toBe(reason);
      while ((await store.listUnfinished()).length === 0);
      stop.abort(reason);
      await refusal;
      expect(await pool.contents()).toEqual(before);
      await store.delete(added.locationUrl);
      expect(await pool.contents()).toEqual([]);
    });

    it('reads and removes what rbd imports', async () => {
      const data = randomBytes(3 * MIB + 1);
      const file = path.join(tmpdir(), `import-${randomUUID()}`);
      await writeFile(file, data);
      await pool.rbd('import', file, spec('from upstream'));
      await pool.rbd('snap', 'create', `${spec('from upstream')}@snap`);
      await pool.rbd('snap', 'protect', `${spec('from upstream')}@snap`);
      await rm(file);
      const whole = 'rbd://from%20upstream';
      const location = `rbd://${String(store.properties['fsid'])}/${pool.name}/from%20upstream/snap`;
      for (const each of [whole, location]) {
        expect(store.claims(each)).toBe(true);
        expect(await store.sizeOf(each)).toBe(data.length);
        const range = { offset: MIB, length: MIB + 7 };
        const { stream } = await store.get(each, { range });
        expect((await readAll(stream)).equals(data.subarray(MIB, 2 * MIB + 7))).toBe(true);
      }
      await store.delete(location);
      await expect(store.sizeOf(whole)).rejects.toMatchObject(MISSING);
      expect(await pool.contents()).toEqual([]);
    });

    it.each([1, 2])('leaves an image alone that has clones of format %i', async (format) => {
      const { location, image } = await stored(randomBytes(MIB));
      const clone = spec(`clone-${randomUUID()}`);
      await pool.rbd('clone', `--rbd-default-clone-format=${format}`, `${spec(image)}@snap`, clone);
      await expect(store.delete(location)).rejects.toMatchObject(IN_USE);
      const snapshots = await pool.rbd('snap', 'ls', '--format', 'json', spec(image));
      expect(JSON.parse(snapshots)).toMatchObject([{ name: 'snap', protected: 'true' }]);
      expect(await store.sizeOf(location)).toBe(MIB);
      await pool.rbd('rm', '--no-progress', clone);
      await store.delete(location);
      expect(await pool.contents()).toEqual([]);
    });

    it('leaves an image alone that has snapshots of others', async () => {
      const { location, image } = await stored(Buffer.from('kept'));
      await pool.rbd('snap', 'create', `${spec(image)}@backup`);
      await expect(store.delete(location)).rejects.toMatchObject(IN_USE);
      expect((await read(location)).toString()).toBe('kept');
      await pool.rbd('snap', 'rm', '--no-progress', `${spec(image)}@backup`);
      await store.delete(location);
    });

    it('leaves an image alone that somebody has open', async () => {
      const { location, image } = await stored(Buffer.from('kept'));
      const watcher = spawn('rbd', ['-c', pool.conf, 'watch', spec(image)]);
      try {
        await once(watcher.stdout, 'data');
        await expect(store.delete(location)).rejects.toMatchObject(IN_USE);
        expect((await read(location)).toString()).toBe('kept');
      } finally {
        const ended = once(watcher, 'exit');
        // Ends by itself, and gives the watch back.
        watcher.stdin.end('\n');
        await ended;
      }
      await eventually(() => store.delete(location));
    });

    it('takes another process that removes an image for no use of it', async () => {
      const { store: other } = await open();
      const outcomes = new Set<string>();
      for (let round = 0; round < 8; round += 1) {
        const { location } = await stored(randomBytes(MIB));
        const removals = [store, other, store, other].map((each) => each.delete(location));
        for (const removal of await Promise.allSettled(removals)) {
          const failure =
            removal.status === 'rejected' ? (removal.reason as DomainError) : undefined;
          outcomes.add(failure?.code ?? 'removed');
        }
        // When all gave way to each other, a sweep comes later.
        await eventually(() =>
          store.delete(location).catch((error: unknown) => {
            expect(error).toMatchObject(MISSING);
          }),
        );
      }
      // In use would bring the image back, without its data.
      expect(outcomes).not.toContain('store_in_use');
      expect(await pool.contents()).toEqual([]);
    });

    it('finishes a removal that was interrupted', async () => {
      const { location, image } = await stored(randomBytes(MIB));
      await pool.rbd('snap', 'unprotect', `${spec(image)}@snap`);
      expect(await store.sizeOf(location)).toBe(MIB);
      await pool.rbd('snap', 'rm', '--no-progress', `${spec(image)}@snap`);
      await expect(store.sizeOf(location)).rejects.toMatchObject(MISSING);
      await store.delete(location);
      expect(await pool.contents()).toEqual([]);
    });

    it('breaks off when an image is removed while it is read, and gives no zeros', async () => {
      const data = Buffer.alloc(24 * MIB, 7);
      const { location, image } = await stored(data);
      const { stream } = await store.get(location);
      await stream.next();
      await pool.rbd('snap', 'purge', '--no-progress', '--force', spec(image)).catch(() => '');
      await pool.rbd('snap', 'unprotect', `${spec(image)}@snap`);
      await pool.rbd('snap', 'rm', '--no-progress', `${spec(image)}@snap`);
      await pool.rbd('rm', '--no-progress', spec(image));
      let zeros = 0;
      const reading = async (): Promise<void> => {
        for await (const chunk of stream) if (chunk.includes(0)) zeros += 1;
      };
      await expect(reading()).rejects.toMatchObject({ code: 'store_blob_corrupt' });
      expect(zeros).toBe(0);
    });
  });

  it('writes no zeros where it provisions thinly', async () => {
    const thin = (await open({ rbd_thin_provisioning: true })).store;
    const data = Buffer.alloc(64 * MIB);
    data.fill(1, 24 * MIB, 25 * MIB);
    const added = await addSettled(thin, { ...newName(), source: sourceOf(data) });
    const { images } = JSON.parse(
      await pool.rbd('du', '--format', 'json', `${spec(imageOf(added.locationUrl))}@snap`),
    ) as { images: { provisioned_size: number; used_size: number }[] };
    expect(images[0]).toMatchObject({ provisioned_size: 64 * MIB, used_size: 8 * MIB });
    expect((await read(added.locationUrl)).equals(data)).toBe(true);
    await store.delete(added.locationUrl);
  });

  it('has few bytes of many uploads of unknown size in memory', async () => {
    const sizeBytes = 48 * MIB + 7;
    const peakOf = (): number => {
      const status = readFileSync(`/proc/${driver.helperPid}/status`, 'utf8');
      return Number(/VmHWM:\s*(\d+) kB/.exec(status)?.[1]) * 1024;
    };
    const before = peakOf();
    const added = await Promise.all(
      Array.from({ length: 16 }, () =>
        addSettled(store, {
          ...newName(),
          source: patternSource({ sizeBytes, chunkBytes: MIB / 2 }),
        }),
      ),
    );
    expect(peakOf() - before).toBeLessThan(64 * MIB);
    const digest = await digestOf(patternSource({ sizeBytes }));
    for (const each of added) {
      expect(each.sizeBytes).toBe(sizeBytes);
      expect(await digestOf((await store.get(each.locationUrl)).stream)).toBe(digest);
      await store.delete(each.locationUrl);
    }
  });

  it('lets no slow clients keep others waiting', async () => {
    const { location } = await stored(patternBytes(12 * MIB));
    let goOn = (): void => undefined;
    const held = new Promise<void>((resolve) => (goOn = resolve));
    let arrived = 0;
    const slowUploads = Array.from({ length: 20 }, () =>
      addSettled(store, {
        ...newName(),
        source: patternSource({
          sizeBytes: 2 * MIB,
          onRequest: async (delivered) => {
            if (delivered !== MIB) return;
            arrived += 1;
            await held;
          },
        }),
      }),
    );
    const slowDownloads = await Promise.all(
      Array.from({ length: 20 }, async () => (await store.get(location)).stream),
    );
    for (const each of slowDownloads) await each.next();
    await eventually(() => {
      expect(arrived).toBe(20);
      return Promise.resolve();
    });
    const quick = await stored(patternBytes(24 * MIB));
    expect((await read(quick.location)).equals(patternBytes(24 * MIB))).toBe(true);
    goOn();
    for (const each of await Promise.all(slowUploads)) await store.delete(each.locationUrl);
    for (const each of slowDownloads) {
      expect((await readAll(each)).length).toBeGreaterThan(11 * MIB);
    }
    await store.delete(quick.location);
    await store.delete(location);
  });

  describe('when its helper dies', () => {
    it('fails a download, and serves the next', async () => {
      const data = randomBytes(24 * MIB);
      const { location } = await stored(data);
      const { stream } = await store.get(location);
      await stream.next();
      killHelper();
      await expect(readAll(stream)).rejects.toMatchObject({ code: 'store_unavailable' });
      expect(driver.openReaders).toBe(0);
      expect((await read(location)).equals(data)).toBe(true);
      await store.delete(location);
    });

    it(
      'fails an upload, takes the next, and leaves what a sweep finds',
      async () => {
        const name = newName();
        const source = patternSource({
          sizeBytes: 40 * MIB,
          onRequest: (delivered) => {
            if (delivered === 20 * MIB) killHelper();
          },
        });
        await expect(store.add({ ...name, firstAttempt: true, source })).rejects.toMatchObject({
          code: 'store_unavailable',
        });
        const { location } = await stored(Buffer.from('next'));
        expect(await store.listUnfinished()).toEqual([
          { ...name, sizeBytes: expect.any(Number), ageSeconds: expect.any(Number) },
        ]);
        await eventually(() => store.removeUnfinished(name, 'abandoned'));
        expect(await pool.images()).toEqual([imageOf(location)]);
        await store.delete(location);
        expect(await pool.contents()).toEqual([]);
      },
      2 * WATCH_MS,
    );
  });

  describe('after the death of a process', () => {
    const mark = async (name: { imageId: string; uploadId: string }): Promise<void> => {
      const key = `${name.imageId}.${name.uploadId}.plain`;
      await pool.rados('setomapval', 'glance_unfinished', key, String(Date.now()));
    };

    it.each<[string, (image: string) => Promise<unknown>]>([
      ['before the image was there', () => Promise.resolve()],
      ['once the image was there', (image) => pool.rbd('create', '--size', '1M', spec(image))],
    ])('%s it removes what is there', async (_, prepare) => {
      const name = newName();
      await mark(name);
      await prepare(name.imageId);
      expect(await store.listUnfinished()).toMatchObject([name]);
      await store.removeUnfinished(name, 'owned or unknown');
      expect(await pool.contents()).toEqual([]);
    });

    it('between snapshot and protection it removes what is abandoned', async () => {
      const name = newName();
      const added = await store.add({
        ...name,
        firstAttempt: true,
        source: sourceOf(Buffer.from('x')),
      });
      await pool.rbd('snap', 'unprotect', `${spec(imageOf(added.locationUrl))}@snap`);
      await store.removeUnfinished(name, 'abandoned');
      expect(await pool.contents()).toEqual([]);
    });

    it('it leaves the image of another attempt alone', async () => {
      const { location, image } = await stored(Buffer.from('kept'));
      const late = { imageId: image, uploadId: randomUUID() };
      await mark(late);
      await store.removeUnfinished(late, 'abandoned');
      expect(await store.listUnfinished()).toEqual([]);
      expect((await read(location)).toString()).toBe('kept');
      await store.delete(location);
    });
  });

  describe('configured wrongly', () => {
    it.each<[string, StoreOptions, RegExp]>([
      [
        'file',
        { rbd_store_ceph_conf: '/nowhere/ceph.conf' },
        /option rbd_store_ceph_conf: .*nowhere/,
      ],
      ['user', { rbd_store_user: 'nobody' }, /option rbd_store_user: .*client\.nobody/],
      ['pool', { rbd_store_pool: 'no-pool' }, /option rbd_store_pool: .*no-pool.*osd pool create/],
    ])('by its %s, it does not start', async (_, options, problem) => {
      const starting = open(options);
      await expect(starting).rejects.toThrow(StoreConfigurationError);
      await expect(starting).rejects.toThrow(problem);
    });

    it('says that its user may not write', async () => {
      const { store: readOnly } = await open({ rbd_store_user: 'reader' });
      await expect(readOnly.checkWritable()).rejects.toMatchObject({ code: 'store_write_denied' });
      const source = sourceOf(Buffer.from('x'));
      await expect(readOnly.add({ ...newName(), source })).rejects.toMatchObject({
        code: 'store_write_denied',
      });
    });
  });
});
