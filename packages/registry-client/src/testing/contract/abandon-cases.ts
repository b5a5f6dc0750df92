import { beforeEach, expect, it } from '@jest/globals';
import { expectRefusal, type ContractWorld, type NewWorld } from './contract-world';

export function abandonCases(newWorld: NewWorld): void {
  let world: ContractWorld;
  let url: string;

  beforeEach(() => {
    world = newWorld();
    url = `file:///images/${world.mark}`;
  });

  const commitAt = (id: string, uploadId: string, location = url) => {
    const request = world.commitRequest({ location: { url: location, metadata: {} } });
    return world.registry.commitUpload(id, uploadId, request, world.owner);
  };

  it.each(['queued', 'killed'] as const)(
    'rolls the image back to %s, and again the same',
    async (failureStatus) => {
      const { id } = await world.create({ sizeBytes: 9, virtualSizeBytes: 10 });
      const uploadId = await world.begin(id, { failureStatus });
      const result = await world.abandon(id, uploadId, url);
      expect(result).toEqual({
        state: 'abandoned',
        imageStatus: failureStatus,
        blobRemovable: true,
      });
      expect(await world.abandon(id, uploadId, url)).toEqual(result);
      const image = await world.registry.getImage(id, world.owner);
      expect(image).toMatchObject({ status: failureStatus, locations: [] });
      if (failureStatus === 'queued') {
        expect(image).toMatchObject({ sizeBytes: null, virtualSizeBytes: null });
      }
      const { state } = await world.registry.getUpload(id, uploadId, world.owner);
      expect(state).toBe('abandoned');
    },
  );

  it('fences what was abandoned', async () => {
    const { id } = await world.create();
    const uploadId = await world.begin(id);
    await world.abandon(id, uploadId);
    const beat = world.registry.heartbeat(id, uploadId, { bytesReceived: 1 }, world.owner);
    await expectRefusal(beat, 'upload_fenced');
    await expectRefusal(commitAt(id, uploadId), 'upload_fenced');
  });

  it('frees a queued image for another upload', async () => {
    const { id } = await world.create();
    await world.abandon(id, await world.begin(id));
    const image = await commitAt(id, await world.begin(id));
    expect(image.status).toBe('active');
  });

  it('says so when the commit had won, and leaves the blob with the image', async () => {
    const { id } = await world.create();
    const uploadId = await world.begin(id);
    const image = await commitAt(id, uploadId);
    expect(await world.abandon(id, uploadId, url)).toEqual({
      state: 'committed',
      imageStatus: 'active',
      blobRemovable: false,
    });
    expect(await world.registry.getImage(id, world.owner)).toEqual(image);
  });

  it('lets either a commit or an abandon win', async () => {
    for (let round = 0; round < 5; round += 1) {
      const { id } = await world.create();
      const uploadId = await world.begin(id);
      const location = `${url}.${round}`;
      const [committed, abandoned] = await Promise.allSettled([
        commitAt(id, uploadId, location),
        world.abandon(id, uploadId, location),
      ]);
      if (abandoned.status === 'rejected') throw abandoned.reason;
      expect(abandoned.value).toEqual(
        committed.status === 'fulfilled'
          ? { state: 'committed', imageStatus: 'active', blobRemovable: false }
          : { state: 'abandoned', imageStatus: 'queued', blobRemovable: true },
      );
    }
  });

  it('gives the blob of an expired upload back when nobody else came', async () => {
    const { id } = await world.create();
    const uploadId = await world.begin(id);
    await world.underTest.expireLeases();
    expect(await world.abandon(id, uploadId, url)).toEqual({
      state: 'expired',
      imageStatus: 'queued',
      blobRemovable: true,
    });
  });

  it('leaves the blob of an expired upload while another upload of the image runs', async () => {
    const { id } = await world.create();
    const expired = await world.begin(id);
    await world.underTest.expireLeases();
    await world.begin(id);
    expect(await world.abandon(id, expired, url)).toEqual({
      state: 'expired',
      imageStatus: 'saving',
      blobRemovable: false,
    });
    await expect(world.registry.getImage(id, world.owner)).resolves.toMatchObject({
      status: 'saving',
    });
  });

  it('leaves the blob that has become the image of another upload, and no other', async () => {
    const { id } = await world.create();
    const expired = await world.begin(id);
    await world.underTest.expireLeases();
    const image = await commitAt(id, await world.begin(id));
    const expected = { state: 'expired', imageStatus: 'active' };
    expect(await world.abandon(id, expired, url)).toEqual({ ...expected, blobRemovable: false });
    expect(await world.abandon(id, expired, `${url}.another`)).toEqual({
      ...expected,
      blobRemovable: true,
    });
    expect(await world.registry.getImage(id, world.owner)).toEqual(image);
  });

  it('leaves a blob that belongs to another image', async () => {
    const other = await world.create();
    await commitAt(other.id, await world.begin(other.id));
    const { id } = await world.create();
    const uploadId = await world.begin(id);
    const result = await world.abandon(id, uploadId, url);
    expect(result).toMatchObject({ state: 'abandoned', blobRemovable: false });
  });

  it('leaves a blob that a deletion still has to remove, or to give back', async () => {
    const { id } = await world.create();
    const expired = await world.begin(id);
    await world.underTest.expireLeases();
    await commitAt(id, await world.begin(id));
    await world.registry.beginDeletion(id, { delayed: true }, world.owner);
    const result = await world.abandon(id, expired, url);
    expect(result).toMatchObject({ imageStatus: 'pending_delete', blobRemovable: false });
  });

  it('gives the blob of an image back that was deleted during the upload', async () => {
    const { id } = await world.create();
    const uploadId = await world.begin(id);
    await world.remove(id);
    expect(await world.abandon(id, uploadId, url)).toEqual({
      state: 'void',
      imageStatus: 'deleted',
      blobRemovable: true,
    });
  });
}
