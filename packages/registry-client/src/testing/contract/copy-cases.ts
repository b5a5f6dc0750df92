import { randomUUID } from 'node:crypto';
import { beforeEach, expect, it } from '@jest/globals';
import type { ClaimCopy, CopyFrom, ImageRecord } from '@glance/common';
import { countWinners, expectRefusal, type ContractWorld, type NewWorld } from './contract-world';

/** Data that is promised to be copied by the service itself. */
export function copyCases(newWorld: NewWorld): void {
  let world: ContractWorld;

  beforeEach(() => {
    world = newWorld();
  });

  const SOURCE = 'https://user:password@host.example/disk.raw?signature=x';
  const aCopy = (overrides: Partial<CopyFrom> = {}): CopyFrom => ({
    sourceUrl: SOURCE,
    storeId: 'file',
    sizeBytes: 7,
    storageQuotaBytes: null,
    ...overrides,
  });
  const promised = async (overrides: Partial<CopyFrom> = {}): Promise<ImageRecord> => {
    const request = { image: { name: world.mark, sizeBytes: 7 }, copyFrom: aCopy(overrides) };
    return (await world.registry.createImage(request, world.owner)).image;
  };
  const claim = (imageId: string, overrides: Partial<ClaimCopy> = {}, caller = world.admin) =>
    world.registry.claimCopy(
      {
        imageId,
        uploadId: randomUUID(),
        node: 'contract-suite:1',
        storageQuotaBytes: null,
        maxAttempts: 3,
        retrySeconds: 3600,
        ...overrides,
      },
      caller,
    );
  const claimed = async (id: string, overrides: Partial<ClaimCopy> = {}) => {
    const copy = await claim(id, overrides);
    if (!copy) throw new Error('there was nothing to claim');
    return copy;
  };
  const sourceOf = (id: string, uploadId: string, caller = world.admin) =>
    world.registry.getCopySource(id, uploadId, caller);
  const end = (id: string, uploadId: string, copy: 'failed' | 'failed_for_good' | 'handed_back') =>
    world.registry.abandonUpload(
      id,
      uploadId,
      { reason: 'contract suite', locationUrl: null, copy },
      world.admin,
    );
  const imageOf = (id: string) => world.registry.getImage(id, world.owner);

  it('leave the image queued, with the size that is known', async () => {
    const image = await promised();
    expect(image).toMatchObject({ status: 'queued', sizeBytes: 7, locations: [] });
  });

  it('are claimed as an upload and end with its commit', async () => {
    const { id } = await promised();
    const copy = await claimed(id);
    expect(copy).toMatchObject({ image: { id, status: 'saving' }, storeId: 'file', attempt: 1 });
    const { uploadId } = copy.lease;
    expect(await sourceOf(id, uploadId)).toBe(SOURCE);
    await world.registry.heartbeat(id, uploadId, { bytesReceived: 1 }, world.admin);
    const commit = world.commitRequest({ sizeBytes: 7 });
    const image = await world.registry.commitUpload(id, uploadId, commit, world.admin);
    expect(image).toMatchObject({ status: 'active', sizeBytes: 7, owner: world.project });
    expect(await claim(id)).toBeNull();
    await expectRefusal(sourceOf(id, uploadId), 'upload_fenced');
  });

  it('are found without being named', async () => {
    const { id } = await promised();
    const found: string[] = [];
    for (let copy = await claim(id, { imageId: undefined as never }); copy;) {
      found.push(copy.image.id);
      copy = await claim(id, { imageId: undefined as never });
    }
    expect(found).toContain(id);
    expect(new Set(found).size).toBe(found.length);
  });

  it('have one winner of claims at once', async () => {
    const { id } = await promised();
    const claims = await Promise.all(Array.from({ length: 5 }, () => claim(id)));
    expect(claims.filter((each) => each !== null)).toHaveLength(1);
  });

  it('are the business of the service alone', async () => {
    const { id } = await promised();
    await expectRefusal(claim(id, {}, world.owner), 'forbidden');
    const { lease } = await claimed(id);
    await expectRefusal(sourceOf(id, lease.uploadId, world.owner), 'forbidden');
    const upload = await world.begin((await world.create()).id);
    await expectRefusal(sourceOf(id, upload), 'not_found');
  });

  it('wait after an attempt that failed, with the image as it was', async () => {
    const { id } = await promised();
    const { lease } = await claimed(id);
    await end(id, lease.uploadId, 'failed');
    expect(await imageOf(id)).toMatchObject({ status: 'queued', sizeBytes: 7 });
    expect(await claim(id)).toBeNull();
    await expectRefusal(sourceOf(id, lease.uploadId), 'upload_fenced');
  });

  it('wait after an attempt whose lease ran out', async () => {
    const { id } = await promised();
    await claimed(id);
    await world.underTest.expireLeases();
    expect(await imageOf(id)).toMatchObject({ status: 'queued', sizeBytes: 7 });
  });

  it('go on at once when they are handed back, as if they had not begun', async () => {
    const { id } = await promised();
    for (let round = 0; round < 3; round += 1) {
      const { lease, attempt } = await claimed(id, { maxAttempts: 1 });
      expect(attempt).toBe(1);
      await end(id, lease.uploadId, 'handed_back');
      expect(await imageOf(id)).toMatchObject({ status: 'queued', sizeBytes: 7 });
    }
  });

  it.each(['failed', 'failed_for_good', 'lease ran out'] as const)(
    'kill the image when the last attempt %s',
    async (how) => {
      const { id } = await promised();
      const maxAttempts = how === 'failed_for_good' ? 3 : 1;
      const { lease } = await claimed(id, { maxAttempts });
      if (how === 'lease ran out') await world.underTest.expireLeases();
      else await end(id, lease.uploadId, how);
      expect(await imageOf(id)).toMatchObject({ status: 'killed' });
      expect(await claim(id)).toBeNull();
    },
  );

  it('end when the image is deleted, running or not', async () => {
    const waiting = await promised();
    await world.remove(waiting.id);
    expect(await claim(waiting.id)).toBeNull();
    const { id } = await promised();
    const { uploadId } = (await claimed(id)).lease;
    await world.remove(id);
    await expectRefusal(
      world.registry.heartbeat(id, uploadId, { bytesReceived: 1 }, world.admin),
      'upload_fenced',
    );
    await expectRefusal(sourceOf(id, uploadId), 'upload_fenced');
    await expect(end(id, uploadId, 'failed')).resolves.toMatchObject({ state: 'void' });
  });

  it('give way to data that comes from elsewhere', async () => {
    const uploaded = await promised();
    const upload = await world.begin(uploaded.id);
    await world.abandon(uploaded.id, upload);
    expect(await claim(uploaded.id)).toBeNull();

    const located = await promised();
    const location = { url: 'http://x/', metadata: {}, sizeBytes: 1, storageQuotaBytes: null };
    await world.registry.updateImage(located.id, { location }, world.owner);
    expect(await claim(located.id)).toBeNull();

    const again = await promised();
    const copyFrom = aCopy({ sourceUrl: 'http://host.example/other' });
    await world.registry.updateImage(again.id, { copyFrom }, world.owner);
    const { lease } = await claimed(again.id);
    expect(await sourceOf(again.id, lease.uploadId)).toBe('http://host.example/other');
  });

  it('are promised to queued images only', async () => {
    const { id } = await promised();
    await claimed(id);
    const calls = [world.registry.updateImage(id, { copyFrom: aCopy() }, world.owner)];
    expect(await countWinners(calls, 'conflict')).toBe(0);
  });

  it('count for the quota of the owner', async () => {
    await expectRefusal(promised({ storageQuotaBytes: 6 }), 'quota_exceeded');
    const { id } = await promised({ storageQuotaBytes: 7 });
    const { uploadId } = (await claimed(id, { storageQuotaBytes: 7 })).lease;
    const reserve = (reserveBytes: number) =>
      world.registry.heartbeat(id, uploadId, { bytesReceived: 1, reserveBytes }, world.admin);
    await expectRefusal(reserve(8), 'quota_exceeded');
    await reserve(7);
  });
}
