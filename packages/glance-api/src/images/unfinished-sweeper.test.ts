import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { FakeRegistry } from '@glance/registry-client/testing';
import { silentLogger } from '@glance/service-kit';
import { StoreSet } from '@glance/stores';
import { UnfinishedSweeper } from './unfinished-sweeper';

const CONTEXT = {
  identity: { userId: 'u', projectId: 'p', roles: [], isAdmin: false, readOnly: false },
  requestId: 'req-test',
};

describe('UnfinishedSweeper', () => {
  let directory: string;
  let stores: StoreSet;
  let registry: FakeRegistry;
  let sweeper: UnfinishedSweeper;

  beforeEach(async () => {
    directory = await mkdtemp(path.join(os.tmpdir(), 'glance-sweep-'));
    stores = await StoreSet.create(
      {
        stores: [{ id: 'file', type: 'file', options: { filesystem_store_datadir: directory } }],
        defaultStoreId: 'file',
      },
      { warn: () => undefined },
    );
    registry = new FakeRegistry();
    sweeper = new UnfinishedSweeper({ registry, stores, logger: silentLogger });
  });

  afterEach(async () => {
    await stores.close();
    await rm(directory, { recursive: true });
  });

  const parts = () => readdir(path.join(directory, '.part'));

  async function part(imageId: string, uploadId: string, ageHours = 0): Promise<void> {
    await mkdir(path.join(directory, '.part'), { recursive: true });
    const file = path.join(directory, '.part', `${imageId}.${uploadId}`);
    await writeFile(file, 'half an image');
    const time = Date.now() / 1000 - ageHours * 3600;
    await utimes(file, time, time);
  }

  async function upload(): Promise<{ imageId: string; uploadId: string }> {
    const uploadId = randomUUID();
    const { image } = await registry.createImage(
      {
        image: {},
        upload: {
          uploadId,
          node: 'n',
          failureStatus: 'killed',
          expectedSizeBytes: null,
          storageQuotaBytes: null,
        },
      },
      CONTEXT,
    );
    return { imageId: image.id, uploadId };
  }

  it('removes what belongs to uploads that are over, and nothing of running ones', async () => {
    const running = await upload();
    const over = await upload();
    await registry.abandonUpload(
      over.imageId,
      over.uploadId,
      { reason: 'test', locationUrl: null },
      CONTEXT,
    );
    await part(running.imageId, running.uploadId);
    await part(over.imageId, over.uploadId);
    expect(await sweeper.sweep()).toBe(1);
    expect(await parts()).toEqual([`${running.imageId}.${running.uploadId}`]);
  });

  async function storedBy(name: { imageId: string; uploadId: string }) {
    const bytes = Buffer.from('all of it');

    const source = (async function* () {
      yield bytes;
    })();
    const added = await stores.defaultStore.add({ ...name, firstAttempt: true, source });
    const commit = {
      location: { url: added.locationUrl, metadata: {} },
      sizeBytes: bytes.length,
      virtualSizeBytes: null,
      checksum: '0'.repeat(32),
      hashAlgorithm: 'sha512',
      hashValue: '0'.repeat(128),
    };
    return { ...name, commit };
  }

  it('removes the whole blob of an uploader that died before its commit', async () => {
    const died = await storedBy(await upload());
    const { imageId, uploadId } = died;
    const reason = { reason: 'the lease ended', locationUrl: null };
    await registry.abandonUpload(imageId, uploadId, reason, CONTEXT);
    expect(await sweeper.sweep()).toBe(1);
    expect(await readdir(directory, { recursive: true })).toEqual(['.part']);
  });

  it('keeps the blob of an uploader that died right after its commit', async () => {
    const { imageId, uploadId, commit } = await storedBy(await upload());
    await registry.commitUpload(imageId, uploadId, commit, CONTEXT);
    expect(await sweeper.sweep()).toBe(1);
    expect((await readdir(directory, { recursive: true })).sort()).toEqual(['.part', imageId]);
  });

  it('keeps a blob whose upload the registry has forgotten: an image may have it', async () => {
    const { imageId, uploadId } = await storedBy({ imageId: randomUUID(), uploadId: randomUUID() });
    const old = Date.now() / 1000 - 25 * 3600;
    await utimes(path.join(directory, '.part', `${imageId}.${uploadId}`), old, old);
    expect(await sweeper.sweep()).toBe(1);
    expect((await readdir(directory, { recursive: true })).sort()).toEqual(['.part', imageId]);
  });

  it('keeps what the registry has never heard of for a day', async () => {
    const young = [randomUUID(), randomUUID()] as const;
    await part(...young, 23);
    await part(randomUUID(), randomUUID(), 25);
    expect(await sweeper.sweep()).toBe(1);
    expect(await parts()).toEqual([young.join('.')]);
  });

  it('removes nothing while the registry cannot be asked', async () => {
    await part(randomUUID(), randomUUID(), 48);
    registry.getUpload = () => Promise.reject(new Error('no registry'));
    expect(await sweeper.sweep()).toBe(0);
    expect(await parts()).toHaveLength(1);
  });
});
