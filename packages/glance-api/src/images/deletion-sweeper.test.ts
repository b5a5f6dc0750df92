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

  const sweeper = (scrubAfterSeconds = 0, poolSize = 1) =>
    new DeletionSweeper({
      registry,
      stores,
      logger: silentLogger,
      graceSeconds: 120,
      scrubAfterSeconds,
      poolSize,
    });
  /** Sweeps when so many minutes have passed; afterwards it is as late as before. */
  async function sweepIn(minutes: number, by = sweeper()): Promise<number> {
    registry.advance(minutes * 60);
    try {
      return await by.sweep(new Date(Date.now() + minutes * 60_000));
    } finally {
      registry.advance(-minutes * 60);
    }
  }
  const files = async () => (await readdir(directory)).filter((name) => name !== '.part');
  const statusOf = async (id: string) => (await registry.getImage(id, ADMIN)).status;

  /** An image with a file, whose deletion was begun and went no further. */
  async function halfDeleted(delayed = false): Promise<string> {
    const id = await stored();
    await registry.beginDeletion(id, { delayed }, CONTEXT);
    return id;
  }

  /** An image from which its file was taken, and another place was left; it went no further. */
  async function halfTaken(delayed = false): Promise<string> {
    const id = await stored();
    const own = { url: `file://${directory}/${id}`, metadata: {} };
    const other = { url: 'http://host.example/disk.raw', metadata: {} };
    const change = (seen: object[], wanted: object[]) =>
      registry.updateImage(
        id,
        {
          locations: {
            seen,
            wanted,
            sizeBytes: 4,
            storageQuotaBytes: null,
            delayed,
          } as ChangeLocations,
        },
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
    expect(await sweepIn(3)).toBe(1);
    expect(await statusOf(id)).toBe('deleted');
    expect(await files()).toEqual([]);
    expect(await sweepIn(3)).toBe(0);
  });

  it('leaves deletions alone that somebody may still be busy with', async () => {
    const id = await halfDeleted();
    expect(await sweeper().sweep()).toBe(0);
    expect(await statusOf(id)).toBe('pending_delete');
    expect(await files()).toEqual([id]);
  });

  it('keeps delayed ones for as long as configured', async () => {
    const id = await halfDeleted(true);
    await halfTaken(true);
    expect(await sweepIn(59, sweeper(3600))).toBe(0);
    expect(await files()).toHaveLength(2);
    expect(await statusOf(id)).toBe('pending_delete');
    expect(await sweepIn(61, sweeper(3600))).toBe(2);
    expect(await files()).toEqual([]);
  });

  it('finishes what was not delayed although others are', async () => {
    await halfDeleted();
    const id = await halfDeleted(true);
    expect(await sweepIn(3, sweeper(3600))).toBe(1);
    expect(await files()).toEqual([id]);
  });

  it('removes several at a time, each once', async () => {
    for (let count = 0; count < 7; count += 1) await halfDeleted(true);
    const claims = jest.spyOn(registry, 'claimDeletion');
    expect(await sweeper(0, 3).sweep()).toBe(7);
    expect(claims).toHaveBeenCalledTimes(8);
    expect(await files()).toEqual([]);
  });

  it('lets an image be restored whose data the store does not give up', async () => {
    const id = await halfDeleted(true);
    const refusal = new DomainError('store_in_use', 'it has clones');
    const spy = jest.spyOn(stores.defaultStore, 'delete').mockRejectedValue(refusal);
    expect(await sweeper().sweep()).toBe(0);
    spy.mockRejectedValue(new DomainError('store_unavailable', 'no answer'));
    expect((await registry.restoreImage(id, ADMIN)).status).toBe('active');
    await registry.beginDeletion(id, { delayed: true }, CONTEXT);
    expect(await sweeper().sweep()).toBe(0);
    spy.mockRestore();
    // Nobody knows what a store did that has not answered.
    await expect(registry.restoreImage(id, ADMIN)).rejects.toMatchObject({ code: 'conflict' });
    expect(await sweeper().sweep()).toBe(1);
  });

  it('passes over what upstream had promised to an import', async () => {
    const id = await halfDeleted(true);
    const url = `pending://parallel-import/${id}/one`;
    registry.overwrite(id, {
      locations: [{ id: 9, url, metadata: { store: 'one' }, status: 'pending_delete' }],
    });
    expect(await sweeper().sweep()).toBe(1);
    expect(await statusOf(id)).toBe('deleted');
  });

  it('takes data that is already gone for removed', async () => {
    const id = await halfDeleted();
    await rm(path.join(directory, id));
    expect(await sweepIn(3)).toBe(1);
    expect(await statusOf(id)).toBe('deleted');
  });

  it('goes on to the next when one cannot be removed', async () => {
    const stuck = await halfDeleted();
    const fine = await halfDeleted();
    registry.overwrite(stuck, {
      locations: [{ id: 9, url: 'swift://elsewhere', metadata: {}, status: 'pending_delete' }],
    });
    expect(await sweepIn(3)).toBe(1);
    expect(await statusOf(stuck)).toBe('pending_delete');
    expect(await statusOf(fine)).toBe('deleted');
  });

  it('removes the data of a location that was taken away', async () => {
    await halfTaken();
    expect(await sweeper().sweep()).toBe(0);
    expect(await files()).toHaveLength(1);
    expect(await sweepIn(3)).toBe(1);
    expect(await files()).toEqual([]);
    expect(await sweepIn(3)).toBe(0);
  });

  it('gives a location back whose data the store does not give up', async () => {
    const id = await halfTaken();
    const refusal = new DomainError('store_delete_denied', 'read only');
    const spy = jest.spyOn(stores.defaultStore, 'delete').mockRejectedValue(refusal);
    expect(await sweepIn(3)).toBe(0);
    spy.mockRestore();
    expect((await registry.getImage(id, ADMIN)).locations).toHaveLength(2);
    expect(await files()).toEqual([id]);
  });

  it('works through more deletions than one page holds', async () => {
    for (let count = 0; count < 130; count += 1) await halfDeleted();
    expect(await sweepIn(3)).toBe(130);
    expect(await files()).toEqual([]);
  });
});
