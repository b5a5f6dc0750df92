import { randomUUID } from 'node:crypto';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { DomainError, type ChangeLocations } from '@glance/common';
import { FakeRegistry } from '@glance/registry-client/testing';
import { silentLogger } from '@glance/service-kit';
import { StoreSet } from '@glance/stores';
import { DeletionSweeper } from './deletion-sweeper';

const OWNER = { userId: 'u', projectId: 'p', roles: [], isAdmin: false, readOnly: false };
const CONTEXT = { identity: OWNER, requestId: 'req-test' };
const ADMIN = { ...CONTEXT, identity: { ...OWNER, isAdmin: true } };

describe('DeletionSweeper', () => {
  let directory: string;
  let stores: StoreSet;
  let registry: FakeRegistry;

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
  });

  afterEach(async () => {
    await stores.close();
    await rm(directory, { recursive: true });
  });

  const sweeper = (scrubAfterSeconds = 0) =>
    new DeletionSweeper({
      registry,
      stores,
      logger: silentLogger,
      graceSeconds: 120,
      scrubAfterSeconds,
    });
  const inMinutes = (minutes: number) => new Date(Date.now() + minutes * 60_000);
  const files = async () => (await readdir(directory)).filter((name) => name !== '.part');
  const statusOf = async (id: string) => (await registry.getImage(id, ADMIN)).status;

  /** An image with a file, whose deletion was begun and went no further. */
  async function halfDeleted(): Promise<string> {
    const id = await stored();
    await registry.beginDeletion(id, { delayed: false }, CONTEXT);
    return id;
  }

  /** An image from which its file was taken, and another place was left; it went no further. */
  async function halfTaken(): Promise<string> {
    const id = await stored();
    const own = { url: `file://${directory}/${id}`, metadata: {} };
    const other = { url: 'http://host.example/disk.raw', metadata: {} };
    const change = (seen: object[], wanted: object[]) =>
      registry.updateImage(
        id,
        { locations: { seen, wanted, sizeBytes: 4, storageQuotaBytes: null } as ChangeLocations },
        CONTEXT,
      );
    await change([own], [own, other]);
    await change([own, other], [other]);
    return id;
  }

  async function stored(): Promise<string> {
    const id = randomUUID();
    const uploadId = randomUUID();
    await writeFile(path.join(directory, id), 'data');
    await registry.createImage(
      {
        image: { id },
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
    await registry.commitUpload(
      id,
      uploadId,
      {
        location: { url: `file://${directory}/${id}`, metadata: {} },
        sizeBytes: 4,
        virtualSizeBytes: null,
        checksum: 'c',
        hashAlgorithm: 'sha512',
        hashValue: 'h',
      },
      CONTEXT,
    );
    return id;
  }

  it('finishes what a process that died had begun', async () => {
    const id = await halfDeleted();
    expect(await sweeper().sweep(inMinutes(3))).toBe(1);
    expect(await statusOf(id)).toBe('deleted');
    expect(await files()).toEqual([]);
    expect(await sweeper().sweep(inMinutes(3))).toBe(0);
  });

  it('leaves deletions alone that somebody may still be busy with', async () => {
    const id = await halfDeleted();
    expect(await sweeper().sweep()).toBe(0);
    expect(await statusOf(id)).toBe('pending_delete');
    expect(await files()).toEqual([id]);
  });

  it('keeps delayed ones for as long as configured', async () => {
    const id = await halfDeleted();
    expect(await sweeper(3600).sweep(inMinutes(59))).toBe(0);
    expect(await files()).toEqual([id]);
    expect(await sweeper(3600).sweep(inMinutes(61))).toBe(1);
    expect(await files()).toEqual([]);
  });

  it('takes data that is already gone for removed', async () => {
    const id = await halfDeleted();
    await rm(path.join(directory, id));
    expect(await sweeper().sweep(inMinutes(3))).toBe(1);
    expect(await statusOf(id)).toBe('deleted');
  });

  it('goes on to the next when one cannot be removed', async () => {
    const stuck = await halfDeleted();
    const fine = await halfDeleted();
    registry.overwrite(stuck, {
      locations: [{ id: 9, url: 'swift://elsewhere', metadata: {}, status: 'pending_delete' }],
    });
    expect(await sweeper().sweep(inMinutes(3))).toBe(1);
    expect(await statusOf(stuck)).toBe('pending_delete');
    expect(await statusOf(fine)).toBe('deleted');
  });

  it('removes the data of a location that was taken away', async () => {
    await halfTaken();
    expect(await sweeper().sweep()).toBe(0);
    expect(await files()).toHaveLength(1);
    expect(await sweeper().sweep(inMinutes(3))).toBe(1);
    expect(await files()).toEqual([]);
    expect(await sweeper().sweep(inMinutes(3))).toBe(0);
  });

  it('gives a location back whose data the store does not give up', async () => {
    const id = await halfTaken();
    const refusal = new DomainError('store_delete_denied', 'read only');
    const spy = jest.spyOn(stores.defaultStore, 'delete').mockRejectedValue(refusal);
    expect(await sweeper().sweep(inMinutes(3))).toBe(0);
    spy.mockRestore();
    expect((await registry.getImage(id, ADMIN)).locations).toHaveLength(2);
    expect(await files()).toEqual([id]);
  });

  it('works through more deletions than one page holds', async () => {
    for (let count = 0; count < 130; count += 1) await halfDeleted();
    expect(await sweeper().sweep(inMinutes(3))).toBe(130);
    expect(await files()).toEqual([]);
  });
});
