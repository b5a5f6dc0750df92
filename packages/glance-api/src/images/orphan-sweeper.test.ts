import { randomUUID } from 'node:crypto';
import { mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { ImageLocation } from '@glance/common';
import { FakeRegistry } from '@glance/registry-client/testing';
import { silentLogger, type Logger } from '@glance/service-kit';
import { StoreSet } from '@glance/stores';
import { memoryStores } from '../testing/memory-stores';
import { OrphanSweeper, type Orphan, type OrphanRun } from './orphan-sweeper';

const DAY_SECONDS = 86_400;
const CONTEXT = {
  identity: { userId: 'u', projectId: 'p', roles: [], isAdmin: false, readOnly: false },
  requestId: 'req-test',
};
const locationsAt = (url: string): ImageLocation[] => [
  { id: 99, url, metadata: {}, status: 'active' },
];
const REMOVE: OrphanRun = { remove: true, maxDeletes: 100 };

describe('OrphanSweeper', () => {
  let directory: string;
  let stores: StoreSet;
  let registry: FakeRegistry;
  let sweeper: OrphanSweeper;
  let errors: string[];

  beforeEach(async () => {
    directory = await mkdtemp(path.join(os.tmpdir(), 'glance-sweep-'));
    stores = await StoreSet.create(
      {
        stores: [
          { id: 'file', type: 'file', options: { filesystem_store_datadir: directory } },
          { id: 'http', type: 'http', options: {} },
        ],
        defaultStoreId: 'file',
      },
      { warn: () => undefined },
    );
    registry = new FakeRegistry();
    errors = [];
    const logger: Logger = { ...silentLogger, error: (message) => errors.push(message) };
    sweeper = new OrphanSweeper({
      registry,
      stores,
      logger,
      minimumAgeSeconds: DAY_SECONDS,
      confirmAfterSeconds: DAY_SECONDS / 2,
    });
  });

  afterEach(async () => {
    await stores.close();
    await rm(directory, { recursive: true });
  });

  const files = async () => (await readdir(directory)).filter((name) => name !== '.part').sort();

  async function plant(name: string = randomUUID(), ageHours = 30): Promise<string> {
    const time = Date.now() / 1000 - ageHours * 3600;
    await writeFile(path.join(directory, name), 'data');
    await utimes(path.join(directory, name), time, time);
    return name;
  }

  /** An upload whose file is there already. */
  async function uploading(): Promise<{ id: string; uploadId: string; name: string }> {
    const uploadId = randomUUID();
    const upload = {
      uploadId,
      node: 'n',
      failureStatus: 'killed',
      expectedSizeBytes: null,
      storageQuotaBytes: null,
    } as const;
    const { image } = await registry.createImage({ image: {}, upload }, CONTEXT);
    return { id: image.id, uploadId, name: await plant(image.id) };
  }

  async function owned(): Promise<string> {
    const { id, uploadId, name } = await uploading();
    await registry.commitUpload(
      id,
      uploadId,
      {
        location: { url: `file:///spelled/otherwise/${name}`, metadata: {} },
        sizeBytes: 4,
        virtualSizeBytes: null,
        checksum: 'c',
        hashAlgorithm: 'sha512',
        hashValue: 'h',
      },
      CONTEXT,
    );
    return name;
  }

  const ownedBlobs = (count: number) => Promise.all(Array.from({ length: count }, () => owned()));

  /** Two passes, half a day apart and a bit. */
  async function twice(run: OrphanRun = REMOVE) {
    await sweeper.sweep(run);
    registry.advance(DAY_SECONDS / 2 + 1);
    return await sweeper.sweep(run);
  }

  it('removes an orphan at the second look, and nothing that an image has', async () => {
    const kept = await owned();
    const [orphan, other] = [await plant(), await plant(`${kept}.${randomUUID()}`)];
    const [first] = await sweeper.sweep(REMOVE);
    expect(first).toMatchObject({ blobs: 3, orphans: 0, waiting: 2, removed: 0 });
    expect(await files()).toEqual([kept, orphan, other].sort());
    registry.advance(DAY_SECONDS / 2 - 1);
    expect(await sweeper.sweep(REMOVE)).toMatchObject([{ orphans: 0, removed: 0 }]);
    await owned();
    registry.advance(2);
    expect(await sweeper.sweep(REMOVE)).toMatchObject([
      { storeId: 'file', blobs: 4, orphans: 2, removed: 2, removedBytes: 8, waiting: 0 },
    ]);
    expect(await files()).toContain(kept);
    expect(await files()).toHaveLength(2);
    expect(errors).toEqual([]);
  });

  it('keeps what is young, and what a running upload may become', async () => {
    const kept = [await owned(), await plant(undefined, 23), (await uploading()).name];
    await sweeper.sweep(REMOVE);
    // The lease of the fake runs out with its clock: an upload that goes on is prolonged.
    registry.advance(60);
    const quick = new OrphanSweeper({
      registry,
      stores,
      logger: silentLogger,
      minimumAgeSeconds: DAY_SECONDS,
      confirmAfterSeconds: 30,
    });
    expect(await quick.sweep(REMOVE)).toMatchObject([{ blobs: 3, waiting: 1, removed: 0 }]);
    expect(await files()).toEqual(kept.sort());
  });

  it('never looks at what is no blob of a service', async () => {
    await owned();
    await plant('notes.txt');
    await plant(`${randomUUID()}.backup`);
    expect(await twice()).toMatchObject([{ blobs: 1, orphans: 0 }]);
    expect(await files()).toHaveLength(3);
  });

  it('spares a blob that turns out to have an image, and forgets it', async () => {
    await owned();
    const name = await plant();
    await sweeper.sweep(REMOVE);
    await registry.createImage({ image: { id: name } }, CONTEXT);
    registry.overwrite(name, { locations: locationsAt(`file://${directory}/${name}`) });
    registry.advance(DAY_SECONDS);
    expect(await sweeper.sweep(REMOVE)).toMatchObject([{ orphans: 0, waiting: 0 }]);
    registry.overwrite(name, { locations: [] });
    expect(await sweeper.sweep(REMOVE)).toMatchObject([{ orphans: 0, waiting: 1 }]);
    expect(await files()).toContain(name);
  });

  it('asks once more before it removes', async () => {
    await owned();
    const name = await plant();
    await sweeper.sweep(REMOVE);
    registry.advance(DAY_SECONDS);
    await registry.createImage({ image: { id: name } }, CONTEXT);
    const onOrphan = (orphan: Orphan) => {
      registry.overwrite(name, { locations: locationsAt(orphan.locationUrl) });
    };
    expect(await sweeper.sweep({ ...REMOVE, onOrphan })).toMatchObject([{ removed: 0 }]);
    expect(await files()).toContain(name);
  });

  it('removes nothing when it only looks, which counts as a look', async () => {
    await owned();
    const name = await plant();
    const found: Orphan[] = [];
    const look: OrphanRun = { remove: false, maxDeletes: 1, onOrphan: (each) => found.push(each) };
    expect(await twice(look)).toMatchObject([{ orphans: 1, orphanBytes: 4, removed: 0 }]);
    expect(found).toMatchObject([{ storeId: 'file', name, imageId: name, sizeBytes: 4 }]);
    expect(await files()).toContain(name);
    expect(await sweeper.sweep(REMOVE)).toMatchObject([{ removed: 1 }]);
  });

  it('removes no more than it may in one run', async () => {
    await ownedBlobs(5);
    for (let count = 0; count < 5; count += 1) await plant();
    expect(await twice({ ...REMOVE, maxDeletes: 2 })).toMatchObject([{ orphans: 5, removed: 2 }]);
    expect(await sweeper.sweep(REMOVE)).toMatchObject([{ orphans: 3, removed: 3 }]);
  });

  describe('stops with an error and removes nothing', () => {
    it('when the registry knows nothing of the store', async () => {
      await plant();
      expect(await twice()).toMatchObject([
        { orphans: 1, removed: 0, anomaly: expect.stringMatching(/knows none of the 1 blobs/) },
      ]);
      expect(errors.at(-1)).toMatch(/Nothing is removed/);
      expect(await files()).toHaveLength(1);
    });

    it.each([
      ['more than ten of them', 20, 11],
      ['more of them than the images have', 3, 4],
    ])('when there are %s', async (_, images, orphans) => {
      await ownedBlobs(images);
      for (let count = 0; count < orphans; count += 1) await plant();
      expect(await twice()).toMatchObject([
        { orphans, removed: 0, anomaly: expect.stringMatching(/more than are plausible/) },
      ]);
      expect(await files()).toHaveLength(images + orphans);
      expect(await sweeper.sweep({ ...REMOVE, ignoreAnomaly: true })).toMatchObject([
        { removed: orphans },
      ]);
      expect(await files()).toHaveLength(images);
    });

    it('but not in a large store, of which they are a small part', async () => {
      await ownedBlobs(1100);
      for (let count = 0; count < 11; count += 1) await plant();
      expect(await twice()).toMatchObject([{ blobs: 1111, removed: 11, anomaly: undefined }]);
      expect(await files()).toHaveLength(1100);
    });
  });

  it('may run twice at once', async () => {
    await ownedBlobs(10);
    for (let count = 0; count < 10; count += 1) await plant();
    await sweeper.sweep(REMOVE);
    registry.advance(DAY_SECONDS);
    const runs = await Promise.all([sweeper.sweep(REMOVE), sweeper.sweep(REMOVE)]);
    const removed = runs.flat().map((report) => report.removed);
    expect(removed.reduce((a, b) => a + b)).toBe(10);
    expect(await files()).toHaveLength(10);
  });

  it('looks into the accounts of all projects with images, where a store lists by project', async () => {
    const projects = Array.from({ length: 201 }, (_, number) => `project-${1000 + number}`);
    for (const projectId of projects) {
      await registry.createImage(
        { image: {} },
        { ...CONTEXT, identity: { ...CONTEXT.identity, projectId } },
      );
    }
    const memory = await memoryStores(['accounts'], { list: 'by project' });
    const asked: (string | undefined)[] = [];
    Object.assign(memory.drivers.get('accounts')!, {
      async *listBlobs(project?: string) {
        asked.push(project);
        yield* [];
      },
    });
    const byProject = new OrphanSweeper({
      registry,
      stores: memory.stores,
      logger: silentLogger,
      minimumAgeSeconds: 0,
      confirmAfterSeconds: 1,
    });
    expect(await byProject.sweep(REMOVE)).toMatchObject([{ storeId: 'accounts', blobs: 0 }]);
    // First that of the store's own user.
    expect(asked).toEqual([undefined, ...projects]);
    await memory.stores.close();
  });

  it('runs once per interval, whoever asks', async () => {
    await owned();
    const all = await Promise.all([1, 2, 3].map(() => sweeper.sweepIfDue(3600, REMOVE)));
    expect(all.flat()).toHaveLength(1);
    registry.advance(3600);
    expect(await sweeper.sweepIfDue(3600, REMOVE)).toHaveLength(1);
    expect(await sweeper.sweepIfDue(3600, REMOVE)).toHaveLength(0);
  });

  it('removes nothing while the registry cannot be asked', async () => {
    await owned();
    const name = await plant();
    await sweeper.sweep(REMOVE);
    registry.advance(DAY_SECONDS);
    registry.judgeBlobs = () => Promise.reject(new Error('no registry'));
    expect(await sweeper.sweep(REMOVE)).toEqual([]);
    expect(await files()).toContain(name);
  });

  it('ends in the middle when the service stops', async () => {
    await owned();
    await plant();
    await sweeper.sweep(REMOVE);
    registry.advance(DAY_SECONDS);
    expect(await sweeper.sweep({ ...REMOVE, isCancelled: () => true })).toEqual([]);
    expect(await files()).toHaveLength(2);
  });
});
