import { randomUUID } from 'node:crypto';
import { beforeEach, expect, it } from '@jest/globals';
import type { UploadState } from '@glance/common';
import { countWinners, expectRefusal, type ContractWorld, type NewWorld } from './contract-world';

export function uploadCases(newWorld: NewWorld): void {
  let world: ContractWorld;

  beforeEach(() => {
    world = newWorld();
  });

  const beat = (id: string, uploadId: string) =>
    world.registry.heartbeat(id, uploadId, { bytesReceived: 1 }, world.owner);
  const commit = (id: string, uploadId: string, request = world.commitRequest()) =>
    world.registry.commitUpload(id, uploadId, request, world.owner);
  const deletion = (id: string) =>
    world.registry.beginDeletion(id, { delayed: false }, world.owner);
  const stateOf = async (id: string, uploadId: string): Promise<UploadState> =>
    (await world.registry.getUpload(id, uploadId, world.owner)).state;

  it('claims a queued image under a lease', async () => {
    const { id } = await world.create();
    const request = world.uploadRequest({ expectedSizeBytes: 5 });
    const { image, lease } = await world.registry.beginUpload(id, request, world.owner);
    expect(image).toMatchObject({ id, status: 'saving', locations: [] });
    expect(lease.uploadId).toBe(request.uploadId);
    expect(lease.heartbeatSeconds).toBeGreaterThan(0);
    expect(lease.leaseSeconds).toBeGreaterThan(lease.heartbeatSeconds);
    expect(await world.registry.getImage(id, world.owner)).toEqual(image);
    expect(await stateOf(id, request.uploadId)).toBe('live');
  });

  it('prolongs the lease', async () => {
    const { id } = await world.create();
    const request = world.uploadRequest();
    const { lease } = await world.registry.beginUpload(id, request, world.owner);
    const { firstAttempt: _, ...terms } = lease;
    expect(await beat(id, request.uploadId)).toEqual(terms);
  });

  it('tells the first attempt from those after it', async () => {
    const { lease: atCreation } = await world.registry.createImage(
      { image: {}, upload: world.uploadRequest() },
      world.owner,
    );
    expect(atCreation).toMatchObject({ firstAttempt: true });
    const { id } = await world.create();
    const begin = () => world.registry.beginUpload(id, world.uploadRequest(), world.owner);
    const { lease } = await begin();
    expect(lease.firstAttempt).toBe(true);
    const reason = { reason: 'test', locationUrl: null };
    await world.registry.abandonUpload(id, lease.uploadId, reason, world.owner);
    expect((await begin()).lease.firstAttempt).toBe(false);
  });

  it('makes the image active with its data in one step', async () => {
    const { id } = await world.create({ sizeBytes: 1, checksum: 'stale'.padEnd(32) });
    const uploadId = await world.begin(id);
    const { location, ...result } = world.commitRequest({
      location: { url: 'swift+https://u:p@host/c/o', metadata: { store: 'b', nested: { a: [1] } } },
      sizeBytes: 2 ** 40,
      virtualSizeBytes: 2 ** 41,
    });
    const image = await commit(id, uploadId, { location, ...result });
    expect(image).toMatchObject({ id, status: 'active', ...result });
    expect(image.locations).toEqual([{ id: expect.any(Number), ...location, status: 'active' }]);
    expect(await world.registry.getImage(id, world.owner)).toEqual(image);
    const info = await world.registry.getUpload(id, uploadId, world.owner);
    expect(info).toEqual({ uploadId, imageId: id, state: 'committed', image });
  });

  it('takes an upload of no bytes', async () => {
    const { id } = await world.create();
    const uploadId = await world.begin(id, { expectedSizeBytes: 0, storageQuotaBytes: 0 });
    const image = await commit(id, uploadId, world.commitRequest({ sizeBytes: 0 }));
    expect(image).toMatchObject({ status: 'active', sizeBytes: 0 });
  });

  it('gives the image again when a commit is repeated', async () => {
    const { id } = await world.create();
    const uploadId = await world.begin(id);
    const request = world.commitRequest();
    const first = await commit(id, uploadId, request);
    expect(await commit(id, uploadId, request)).toEqual(first);
    const [again, concurrent] = await Promise.all([
      commit(id, uploadId, request),
      commit(id, uploadId, request),
    ]);
    expect(again.locations).toEqual(first.locations);
    expect(concurrent.locations).toEqual(first.locations);
  });

  it.each(['saving', 'active', 'killed'] as const)(
    'does not begin on an image that is %s',
    async (status) => {
      const image = {
        saving: world.create,
        active: world.createActive,
        killed: world.createKilled,
      };
      const { id } = await image[status].call(world);
      if (status === 'saving') await world.begin(id);
      await expectRefusal(world.begin(id), 'conflict');
      await expect(world.registry.getImage(id, world.owner)).resolves.toMatchObject({ status });
    },
  );

  it('does not begin the same upload twice', async () => {
    const { id } = await world.create();
    const uploadId = await world.begin(id);
    await expectRefusal(world.begin(id, { uploadId }), 'conflict');
    expect(await stateOf(id, uploadId)).toBe('live');
  });

  it('has one winner of uploads that begin at once', async () => {
    const { id } = await world.create();
    const calls = Array.from({ length: 6 }, () => world.begin(id));
    expect(await countWinners(calls, 'conflict')).toBe(1);
  });

  it.each(['queued', 'killed'] as const)(
    'takes an expired upload back and leaves the image %s',
    async (failureStatus) => {
      const { id } = await world.create({ sizeBytes: 9 });
      const uploadId = await world.begin(id, { failureStatus });
      await world.underTest.expireLeases();
      const image = await world.registry.getImage(id, world.owner);
      expect(image.status).toBe(failureStatus);
      if (failureStatus === 'queued') expect(image.sizeBytes).toBeNull();
      expect(await stateOf(id, uploadId)).toBe('expired');
      await expectRefusal(beat(id, uploadId), 'upload_fenced');
      await expectRefusal(commit(id, uploadId), 'upload_fenced');
      expect(await world.registry.getImage(id, world.owner)).toEqual(image);
    },
  );

  it('fences an expired upload off from the one that follows', async () => {
    const { id } = await world.create();
    const expired = await world.begin(id);
    await world.underTest.expireLeases();
    const following = await world.begin(id);
    await expectRefusal(beat(id, expired), 'upload_fenced');
    await expectRefusal(commit(id, expired), 'upload_fenced');
    await beat(id, following);
    const request = world.commitRequest({ sizeBytes: 77 });
    const image = await commit(id, following, request);
    expect(image).toMatchObject({ status: 'active', sizeBytes: 77 });
    await expectRefusal(commit(id, expired), 'upload_fenced');
    expect((await world.registry.getImage(id, world.owner)).locations).toEqual(image.locations);
  });

  it('leaves a committed upload alone when leases expire', async () => {
    const { id } = await world.create();
    const uploadId = await world.begin(id);
    const image = await commit(id, uploadId);
    await world.underTest.expireLeases();
    expect(await world.registry.getImage(id, world.owner)).toEqual(image);
    expect(await stateOf(id, uploadId)).toBe('committed');
  });

  it('voids the upload of an image that is deleted', async () => {
    const { id } = await world.create();
    const uploadId = await world.begin(id);
    const plan = await deletion(id);
    expect(plan).toMatchObject({ image: { status: 'deleted' }, locations: [] });
    expect(await stateOf(id, uploadId)).toBe('void');
    await expectRefusal(beat(id, uploadId), 'upload_fenced');
    await expectRefusal(commit(id, uploadId), 'image_deleted');
    await world.underTest.expireLeases();
    await expectRefusal(commit(id, uploadId), 'image_deleted');
    await expect(world.registry.getImage(id, world.admin)).resolves.toMatchObject({
      status: 'deleted',
      locations: [],
    });
  });

  it('lets either a commit or a deletion win, whole', async () => {
    for (let round = 0; round < 5; round += 1) {
      const { id } = await world.create();
      const uploadId = await world.begin(id);
      const [committed, deleted] = await Promise.allSettled([commit(id, uploadId), deletion(id)]);
      if (deleted.status === 'rejected') throw deleted.reason;
      const { locations, image } = deleted.value;
      if (committed.status === 'fulfilled') {
        expect(image.status).toBe('pending_delete');
        expect(locations).toEqual(committed.value.locations);
      } else {
        expect(committed.reason).toMatchObject({ code: 'image_deleted' });
        expect(image.status).toBe('deleted');
        expect(locations).toEqual([]);
      }
    }
  });

  it('knows no upload that never began, nor one of another image', async () => {
    const { id } = await world.create();
    const another = await world.create();
    const uploadId = await world.begin(another.id);
    await expectRefusal(world.registry.getUpload(id, randomUUID(), world.owner), 'not_found');
    await expectRefusal(world.registry.getUpload(id, uploadId, world.owner), 'not_found');
    await expectRefusal(commit(id, uploadId), 'not_found', 'upload_fenced');
    expect(await stateOf(another.id, uploadId)).toBe('live');
  });

  it.each<[string, object]>([
    ['an upload id that is no UUID', { uploadId: 'mine' }],
    ['an unknown failure status', { failureStatus: 'active' }],
    ['a negative size', { expectedSizeBytes: -1 }],
  ])('refuses %s', async (_what, overrides) => {
    const { id } = await world.create();
    await expectRefusal(world.begin(id, overrides), 'invalid_request');
  });

  it('refuses a commit without a size or a location', async () => {
    const { id } = await world.create();
    const uploadId = await world.begin(id);
    const { sizeBytes, location, ...rest } = world.commitRequest();
    for (const request of [
      { ...rest, sizeBytes },
      { ...rest, location },
      { ...rest, location, sizeBytes: -1 },
    ]) {
      await expectRefusal(commit(id, uploadId, request as never), 'invalid_request');
    }
    expect(await stateOf(id, uploadId)).toBe('live');
  });
}
