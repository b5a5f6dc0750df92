import { randomUUID } from 'node:crypto';
import { mkdtemp, readFile, readdir, rm, unlink } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ImageRecord } from '@glance/common';
import { anImage } from '@glance/registry-client/testing';
import { StoreSet } from '@glance/stores';
import { CloneDestination } from './clone-destination';

const BYTES = Buffer.from('what both images have');
const DIGESTS = {
  sizeBytes: BYTES.length,
  checksum: 'md5 of it',
  hashAlgorithm: 'sha512',
  hashValue: 'sha512 of it',
  virtualSizeBytes: 7,
};

describe('CloneDestination', () => {
  let directory: string;
  let stores: StoreSet;
  let original: ImageRecord;

  beforeEach(async () => {
    directory = await mkdtemp(path.join(os.tmpdir(), 'glance-clone-'));
    const at = (id: string) => ({ filesystem_store_datadir: path.join(directory, id) });
    stores = await StoreSet.create(
      {
        stores: ['near', 'far'].map((id) => ({ id, type: 'file', options: at(id) })),
        defaultStoreId: 'near',
      },
      { warn: () => undefined },
    );
    const name = { imageId: randomUUID(), uploadId: randomUUID() };
    const added = await stores.get('near').add({ ...name, source: bytes(BYTES) });
    await added.settle();
    const location = {
      id: 1,
      url: added.locationUrl,
      metadata: { store: 'near' },
      status: 'active' as const,
    };
    original = anImage({ status: 'active', ...DIGESTS, locations: [location] });
  });

  afterEach(async () => {
    await stores.close();
    await rm(directory, { recursive: true });
  });

  async function* bytes(data: Buffer): AsyncGenerator<Uint8Array> {
    yield data;
  }
  // eslint-disable-next-line require-yield -- fails before a byte
  async function* unread(): AsyncGenerator<Uint8Array> {
    throw new Error('the bytes were asked for');
  }
  const cloneTo = (storeId: string, image = original, ended = new AbortController().signal) =>
    new CloneDestination(stores, storeId, () => Promise.resolve(image), ended);
  const name = () => ({ imageId: randomUUID(), uploadId: randomUUID() });
  const fileOf = ({ locationUrl }: { locationUrl: string }): string => fileURLToPath(locationUrl);

  it('lets the store copy what it has, and knows it without reading', async () => {
    const destination = cloneTo('near');
    const added = await destination.add({ ...name(), source: unread() });
    await added.settle();
    expect(destination.digests).toEqual({
      sizeBytes: BYTES.length,
      md5: DIGESTS.checksum,
      hashAlgorithm: DIGESTS.hashAlgorithm,
      hashValue: DIGESTS.hashValue,
      virtualSizeBytes: 7,
    });
    expect(await readFile(fileOf(added))).toEqual(BYTES);
    await unlink(fileURLToPath(original.locations[0]!.url));
    expect(await readFile(fileOf(added))).toEqual(BYTES);
  });

  it.each([
    ['another store has it', 'far', {}],
    ['its hash is not known', 'near', { hashValue: null }],
  ])('takes the bytes when %s', async (_why, storeId, unknown) => {
    const destination = cloneTo(storeId, { ...original, ...unknown });
    const added = await destination.add({ ...name(), source: bytes(BYTES) });
    await added.settle();
    expect(destination.digests).toBeUndefined();
    expect(await readFile(fileOf(added))).toEqual(BYTES);
  });

  it('refuses data of another size than the image has, and leaves nothing', async () => {
    const destination = cloneTo('near', { ...original, sizeBytes: 5 });
    await expect(destination.add({ ...name(), source: unread() })).rejects.toMatchObject({
      code: 'data_mismatch',
    });
    expect(destination.digests).toBeUndefined();
    const names = await readdir(path.join(directory, 'near'), { recursive: true });
    expect(names.filter((each) => /[0-9a-f]{8}-/.test(each))).toHaveLength(1);
  });

  it('ends the copy with the transfer, and leaves nothing', async () => {
    const reason = new Error('the lease is lost');
    const destination = cloneTo('near', original, AbortSignal.abort(reason));
    await expect(destination.add({ ...name(), source: unread() })).rejects.toBe(reason);
    const names = await readdir(path.join(directory, 'near'), { recursive: true });
    expect(names.filter((each) => /[0-9a-f]{8}-/.test(each))).toHaveLength(1);
  });

  it('hands on that the original is gone', async () => {
    await unlink(fileURLToPath(original.locations[0]!.url));
    await expect(cloneTo('near').add({ ...name(), source: unread() })).rejects.toMatchObject({
      code: 'store_blob_missing',
    });
  });
});
