import { beforeEach, expect, it } from '@jest/globals';
import { countWinners, expectRefusal, type ContractWorld, type NewWorld } from './contract-world';

const LIMIT = 100;

export function quotaCases(newWorld: NewWorld): void {
  let world: ContractWorld;

  beforeEach(() => {
    world = newWorld();
  });

  /** Begins an upload of the size to a new image of the caller. */
  async function begin(expectedSizeBytes: number | null, caller = world.owner) {
    const { id } = await world.create({}, caller);
    const request = { expectedSizeBytes, storageQuotaBytes: LIMIT };
    return { id, uploadId: await world.begin(id, request, caller) };
  }

  const reserve = (upload: { id: string; uploadId: string }, reserveBytes: number) =>
    world.registry.heartbeat(
      upload.id,
      upload.uploadId,
      { bytesReceived: 1, reserveBytes },
      world.owner,
    );
  const commit = (upload: { id: string; uploadId: string }, sizeBytes: number) =>
    world.registry.commitUpload(
      upload.id,
      upload.uploadId,
      world.commitRequest({ sizeBytes }),
      world.owner,
    );

  it('is not exceeded by exactly the limit, and by one byte more it is', async () => {
    const { id } = await world.create();
    const tooMuch = { expectedSizeBytes: LIMIT + 1, storageQuotaBytes: LIMIT };
    await expectRefusal(world.begin(id, tooMuch), 'quota_exceeded');
    await expect(world.registry.getImage(id, world.owner)).resolves.toMatchObject({
      status: 'queued',
    });
    await world.begin(id, { ...tooMuch, expectedSizeBytes: LIMIT });
  });

  it('counts stored data', async () => {
    await world.createActive({}, { sizeBytes: 60 });
    await expectRefusal(begin(41), 'quota_exceeded');
    await begin(40);
  });

  it('counts what running uploads have announced', async () => {
    const first = await begin(60);
    await expectRefusal(begin(41), 'quota_exceeded');
    await begin(40);
    await expectRefusal(begin(1), 'quota_exceeded');
    await world.abandon(first.id, first.uploadId);
    await begin(60);
  });

  it('counts an upload once when it is committed', async () => {
    await commit(await begin(60), 60);
    await begin(40);
    await expectRefusal(begin(1), 'quota_exceeded');
  });

  it('frees what was announced and did not come', async () => {
    await commit(await begin(60), 10);
    await begin(90);
  });

  it('grows a reservation by heartbeats up to the limit', async () => {
    const upload = await begin(null);
    await reserve(upload, 60);
    await expectRefusal(begin(41), 'quota_exceeded');
    const other = await begin(30);
    await expectRefusal(reserve(upload, 71), 'quota_exceeded');
    await reserve(upload, 70);
    await expectRefusal(reserve(other, 31), 'quota_exceeded');
    await commit(upload, 70);
    await commit(other, 30);
  });

  it('never lowers a reservation by a heartbeat', async () => {
    const upload = await begin(60);
    await reserve(upload, 10);
    await expectRefusal(begin(41), 'quota_exceeded');
  });

  it('is checked again by the commit, and the upload can still be abandoned', async () => {
    await world.createActive({}, { sizeBytes: 60 });
    const upload = await begin(null);
    await expectRefusal(commit(upload, 41), 'quota_exceeded');
    const image = await world.registry.getImage(upload.id, world.owner);
    expect(image).toMatchObject({ status: 'saving', locations: [] });
    const result = await world.abandon(upload.id, upload.uploadId, `file:///${world.mark}`);
    expect(result).toEqual({ state: 'abandoned', imageStatus: 'queued', blobRemovable: true });
  });

  it('takes a commit that is larger than announced but within the limit', async () => {
    const upload = await begin(10);
    expect(await commit(upload, LIMIT)).toMatchObject({ status: 'active', sizeBytes: LIMIT });
  });

  it('frees what expired', async () => {
    await begin(LIMIT);
    await world.underTest.expireLeases();
    await begin(LIMIT);
  });

  // Its bytes may still be coming in until the uploader learns of it (reliability sheet §4, D2).
  it('counts the upload of an image that was deleted until the uploader lets go', async () => {
    const upload = await begin(LIMIT);
    await world.remove(upload.id);
    await expectRefusal(begin(1), 'quota_exceeded');
    await world.abandon(upload.id, upload.uploadId);
    await begin(LIMIT);
  });

  it('counts stored data until its deletion is finished', async () => {
    const { id } = await world.createActive({}, { sizeBytes: LIMIT });
    await expectRefusal(begin(1), 'quota_exceeded');
    await world.registry.beginDeletion(id, { delayed: false }, world.owner);
    await expectRefusal(begin(1), 'quota_exceeded');
    await world.registry.finishDeletion(id, world.owner);
    await begin(LIMIT);
  });

  it('counts again what a deletion gave back', async () => {
    const { id } = await world.createActive({}, { sizeBytes: LIMIT });
    await world.registry.beginDeletion(id, { delayed: false }, world.owner);
    await world.registry.revertDeletion(id, world.owner);
    await expectRefusal(begin(1), 'quota_exceeded');
  });

  it('is one for each project', async () => {
    await world.createActive({}, { sizeBytes: LIMIT }, world.stranger);
    await begin(LIMIT);
    await begin(LIMIT, world.member);
  });

  it('is that of the owner when an admin uploads', async () => {
    await world.createActive({}, { sizeBytes: LIMIT });
    const { id } = await world.create();
    const request = { expectedSizeBytes: 1, storageQuotaBytes: LIMIT };
    await expectRefusal(world.begin(id, request, world.admin), 'quota_exceeded');
  });

  it('binds nobody without a limit', async () => {
    await begin(LIMIT);
    const { id } = await world.create();
    await world.begin(id, { expectedSizeBytes: 2 ** 50, storageQuotaBytes: null });
  });

  it('is not overshot by uploads that begin at once', async () => {
    const images = await Promise.all(Array.from({ length: 8 }, () => world.create()));
    const request = { expectedSizeBytes: 30, storageQuotaBytes: LIMIT };
    const calls = images.map(({ id }) => world.begin(id, request));
    expect(await countWinners(calls, 'quota_exceeded')).toBe(3);
  });

  it('is not overshot by reservations that grow at once', async () => {
    const uploads = await Promise.all(Array.from({ length: 5 }, () => begin(null)));
    const calls = uploads.map((upload) => reserve(upload, 30));
    expect(await countWinners(calls, 'quota_exceeded')).toBe(3);
  });
}
