import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from '@jest/globals';
import { patternBytes, patternSource, readAll } from '../../conformance/pattern';
import { MIB } from '../../conformance/memory-use';
import { InstrumentedStore } from '../../instrumented-store';
import { addSettled, newName } from '../../../testing/store-directory';
import { describeWithCeph, TestPool } from '../../../testing/ceph-test-pool';
import { OwnCephCluster } from '../../../testing/own-ceph-cluster';
import { RbdDriver } from './rbd-driver';

const UNAVAILABLE = { code: 'store_unavailable' };
const TIMEOUT_SECONDS = 2;
/** Of a test that breaks a cluster and mends it again. */
const LONG_MS = 120_000;

describeWithCeph()('a cluster that fails', () => {
  let cluster: OwnCephCluster;
  let pool: TestPool;
  let store: InstrumentedStore;

  beforeAll(async () => {
    cluster = await OwnCephCluster.start();
    pool = await TestPool.make(cluster.conf);
  }, LONG_MS);
  afterAll(async () => {
    await pool.dispose();
    await cluster.stop();
  }, LONG_MS);

  beforeEach(async () => {
    const driver = await RbdDriver.create(
      { ...pool.options, rados_connect_timeout: TIMEOUT_SECONDS },
      { storeId: 'ceph', warn: () => undefined },
    );
    store = new InstrumentedStore(driver, { id: 'ceph', type: 'rbd' });
  });
  afterEach(() => store.close());

  it(
    'without an OSD gives up in time whatever it does, and goes on when that is back',
    async () => {
      const sizeBytes = 24 * MIB;
      const { locationUrl } = await addSettled(store, {
        ...newName(),
        source: patternSource({ sizeBytes }),
      });
      const { stream } = await store.get(locationUrl);
      await stream.next();
      const name = newName();
      const source = patternSource({
        sizeBytes,
        onRequest: (delivered) => {
          if (delivered === 10 * MIB) cluster.pauseOsd();
        },
      });
      await expect(store.add({ ...name, source })).rejects.toMatchObject(UNAVAILABLE);
      await expect(readAll(stream)).rejects.toMatchObject(UNAVAILABLE);
      await expect(store.sizeOf(locationUrl)).rejects.toMatchObject(UNAVAILABLE);
      await expect(store.delete(locationUrl)).rejects.toMatchObject(UNAVAILABLE);
      await expect(store.checkWritable()).rejects.toMatchObject(UNAVAILABLE);
      cluster.resumeOsd();
      await eventually(async () => {
        const data = await readAll((await store.get(locationUrl)).stream);
        expect(data.equals(patternBytes(sizeBytes))).toBe(true);
      });
      await eventually(() => store.removeUnfinished(name, 'abandoned'));
      await eventually(() => store.delete(locationUrl));
      await store.checkWritable();
      expect(await pool.contents()).toEqual([]);
    },
    LONG_MS,
  );

  it(
    'that is full takes no upload and no wait, and lets images be deleted',
    async () => {
      const add = async (): Promise<string> => {
        const source = patternSource({ sizeBytes: 16 * MIB });
        return (await addSettled(store, { ...newName(), source })).locationUrl;
      };
      const [first, second] = [await add(), await add()];
      await store.delete(first);
      await setFullAt(0.0001);
      try {
        const full = { code: 'store_full' };
        await eventually(async () => {
          await expect(store.checkWritable()).rejects.toMatchObject(full);
        });
        const adding = store.add({ ...newName(), source: patternSource({ sizeBytes: MIB }) });
        await expect(adding).rejects.toMatchObject(full);
        await store.delete(second);
      } finally {
        await setFullAt(0.95);
      }
      await eventually(() => store.checkWritable());
      expect(await pool.contents()).toEqual([]);
    },
    LONG_MS,
  );

  it(
    'that is full, in a pool without a removal so far, keeps the image until there is room',
    async () => {
      const fresh = await TestPool.make(cluster.conf);
      const driver = await RbdDriver.create(fresh.options, {
        storeId: 'ceph',
        warn: () => undefined,
      });
      try {
        const source = patternSource({ sizeBytes: 16 * MIB });
        const added = await driver.add({ ...newName(), source });
        await added.settle();
        await setFullAt(0.0001);
        await eventually(async () => {
          await expect(driver.checkWritable()).rejects.toMatchObject({ code: 'store_full' });
        });
        await expect(driver.delete(added.locationUrl)).rejects.toMatchObject(UNAVAILABLE);
        await setFullAt(0.95);
        await eventually(() => driver.delete(added.locationUrl));
        expect(await fresh.contents()).toEqual([]);
      } finally {
        await driver.close();
        await fresh.dispose();
      }
    },
    LONG_MS,
  );

  /** @param ratio of the OSD that is used. */
  async function setFullAt(ratio: number): Promise<void> {
    for (const [index, name] of ['full', 'backfillfull', 'nearfull'].entries()) {
      await pool.ceph('osd', `set-${name}-ratio`, String(ratio * (1 - index / 10)));
    }
  }

  async function eventually(work: () => Promise<void>): Promise<void> {
    const deadline = Date.now() + LONG_MS / 2;
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
});
