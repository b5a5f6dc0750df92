import { randomUUID } from 'node:crypto';
import { beforeEach, expect, it } from '@jest/globals';
import { MIB, type ExternalData, type ProjectLimits } from '@glance/common';
import type { CallContext } from '../../registry';
import { countWinners, expectRefusal, type ContractWorld, type NewWorld } from './contract-world';

const SIZE_5: ProjectLimits = { imageSizeTotalBytes: 5 * MIB };

/** The limits of api-v2 sheet §14, which travel with the calls. */
export function limitCases(newWorld: NewWorld): void {
  let world: ContractWorld;

  beforeEach(() => {
    world = newWorld();
  });

  const create = async (limits: ProjectLimits, caller = world.owner) =>
    (await world.registry.createImage({ image: { name: world.mark }, limits }, caller)).image;
  /** A new image that is uploaded. */
  const begin = async (limits: ProjectLimits, expectedSizeBytes: number | null = null) => {
    const { id } = await world.create();
    return { id, uploadId: await world.begin(id, { limits, expectedSizeBytes }) };
  };
  const usage = (caller: CallContext = world.owner) => world.registry.getUsage(caller);
  const copyFrom = (sizeBytes: number): ExternalData => ({
    copyFrom: {
      sourceUrl: 'https://host.example/disk',
      storeId: 'file',
      sizeBytes,
      storageQuotaBytes: null,
    },
  });
  const locationOf = (sizeBytes: number) => ({
    url: `https://host.example/${randomUUID()}`,
    metadata: {},
    sizeBytes,
    storageQuotaBytes: null,
  });
  const expectText = (call: Promise<unknown>, message: string) =>
    expect(call).rejects.toMatchObject({ code: 'quota_exceeded', message });

  it('starts from nothing', async () => {
    const nothing = {
      imageSizeTotalBytes: 0,
      imageStageTotalBytes: 0,
      imageCountTotal: 0,
      imageCountUploading: 0,
    };
    expect(await usage()).toEqual(nothing);
    await expectRefusal(usage(world.projectless), 'project_required');
  });

  it('counts images, whatever became of their data', async () => {
    const limits = { imageCountTotal: 3 };
    await create(limits);
    await world.createActive();
    await world.createKilled();
    const { id } = await create(limits);
    const text = 'Resource image_count_total is over limit of 3 due to current usage 3 and delta 1';
    await expectText(create(limits), text);
    await create({ imageCountTotal: 1 }, world.stranger);
    await expectRefusal(create({ imageCountTotal: 0 }, world.member), 'quota_exceeded');
    expect(await usage()).toMatchObject({ imageCountTotal: 3 });
    await world.remove(id);
    await create(limits);
    await create({ imageCountTotal: null });
    expect(await usage()).toMatchObject({ imageCountTotal: 4 });
  });

  it('leaves nothing of an image that is over the limit', async () => {
    const id = randomUUID();
    const request = { image: { id }, limits: { imageCountTotal: 0 } };
    await expectRefusal(world.registry.createImage(request, world.owner), 'quota_exceeded');
    await expectRefusal(world.registry.getImage(id, world.owner), 'image_not_found');
    await world.registry.createImage({ image: { id } }, world.owner);
  });

  it('counts the images of the owner whoever creates them, and none without one', async () => {
    const limits = { imageCountTotal: 1 };
    const forOwner = (owner: string | null) =>
      world.registry.createImage({ image: { owner }, limits }, world.admin);
    await forOwner(world.project);
    await expectRefusal(forOwner(world.project), 'quota_exceeded');
    await forOwner(null);
    await forOwner(null);
  });

  it('is not overshot by images that are created at once', async () => {
    const calls = Array.from({ length: 8 }, () => create({ imageCountTotal: 3 }));
    expect(await countWinners(calls, 'quota_exceeded')).toBe(3);
    expect(await usage()).toMatchObject({ imageCountTotal: 3 });
  });

  it('counts uploads until they end, however that is', async () => {
    const limits = { imageCountUploading: 1 };
    const expectOneMore = async () => {
      expect(await usage()).toMatchObject({ imageCountUploading: 0 });
      const upload = await begin(limits);
      expect(await usage()).toMatchObject({ imageCountUploading: 1 });
      const text =
        'Resource image_count_uploading is over limit of 1 due to current usage 2 and delta 0';
      await expectText(begin(limits), text);
      return upload;
    };
    const committed = await expectOneMore();
    const { id, uploadId } = committed;
    await world.registry.commitUpload(id, uploadId, world.commitRequest(), world.owner);
    const abandoned = await expectOneMore();
    await world.abandon(abandoned.id, abandoned.uploadId);
    await expectOneMore();
    await world.underTest.expireLeases();
    await world.remove((await expectOneMore()).id);
    await expectOneMore();
  });

  it('leaves an image queued whose upload would be one too many', async () => {
    const { id } = await world.create();
    const limits = { imageCountUploading: 0 };
    await expectRefusal(world.begin(id, { limits }), 'quota_exceeded');
    expect(await world.registry.getImage(id, world.owner)).toMatchObject({ status: 'queued' });
    await world.begin(id, { limits: { imageCountUploading: 1 } });
  });

  it('is not overshot by uploads that begin at once', async () => {
    const images = await Promise.all(Array.from({ length: 8 }, () => world.create()));
    const limits = { imageCountUploading: 3 };
    const calls = images.map(({ id }) => world.begin(id, { limits }));
    expect(await countWinners(calls, 'quota_exceeded')).toBe(3);
  });

  it('counts copies from their promise on', async () => {
    const limits = { imageCountUploading: 1 };
    const promise = () =>
      world.registry.createImage(
        { image: { name: world.mark }, limits, ...copyFrom(7) },
        world.owner,
      );
    const { image } = await promise();
    expect(await usage()).toMatchObject({ imageCountUploading: 1 });
    await expectRefusal(promise(), 'quota_exceeded');
    await expectRefusal(begin(limits), 'quota_exceeded');
    // A new promise takes the place of the first.
    const again = { ...copyFrom(8), limits };
    await world.registry.updateImage(image.id, again, world.owner);
    const claimed = await world.registry.claimCopy(
      {
        imageId: image.id,
        uploadId: randomUUID(),
        node: 'contract-suite:1',
        storageQuotaBytes: null,
        maxAttempts: 3,
        retrySeconds: 30,
      },
      world.admin,
    );
    expect(claimed).not.toBeNull();
    expect(await usage()).toMatchObject({ imageCountUploading: 1 });
    await world.remove(image.id);
    await promise();
  });

  it('limits data to the byte, and tells it in MiB', async () => {
    await world.createActive({}, { sizeBytes: 3 * MIB });
    const text = 'Resource image_size_total is over limit of 5 due to current usage 3 and delta 3';
    await expectText(begin(SIZE_5, 3 * MIB), text);
    const more = 'Resource image_size_total is over limit of 5 due to current usage 3 and delta 3';
    await expectText(begin(SIZE_5, 2 * MIB + 1), more);
    const { id, uploadId } = await begin(SIZE_5, 2 * MIB);
    await expectRefusal(begin(SIZE_5, 1), 'quota_exceeded');
    const commit = (sizeBytes: number) =>
      world.registry.commitUpload(
        id,
        uploadId,
        world.commitRequest({ sizeBytes, limits: SIZE_5 }),
        world.owner,
      );
    await expectRefusal(commit(2 * MIB + 1), 'quota_exceeded');
    expect(await commit(2 * MIB)).toMatchObject({ sizeBytes: 2 * MIB });
    expect(await usage()).toMatchObject({ imageSizeTotalBytes: 5 * MIB });
  });

  it('takes nothing above a limit that was lowered, and gives way when it is raised', async () => {
    await world.createActive({}, { sizeBytes: 6 * MIB });
    const text = 'Resource image_size_total is over limit of 5 due to current usage 6 and delta 0';
    await expectText(begin(SIZE_5), text);
    await begin({ imageSizeTotalBytes: 6 * MIB });
    await begin({ imageSizeTotalBytes: null }, 2 ** 40);
  });

  it('is not overshot by reservations that grow at once', async () => {
    const uploads = await Promise.all(Array.from({ length: 5 }, () => begin(SIZE_5)));
    const grow = uploads.map(({ id, uploadId }) =>
      world.registry.heartbeat(
        id,
        uploadId,
        { bytesReceived: 1, reserveBytes: 2 * MIB, limits: SIZE_5 },
        world.owner,
      ),
    );
    expect(await countWinners(grow, 'quota_exceeded')).toBe(2);
    // What is reserved is nobody's usage yet.
    expect(await usage()).toMatchObject({ imageSizeTotalBytes: 0 });
    await expectRefusal(begin(SIZE_5, 2 * MIB), 'quota_exceeded');
  });

  it('limits data that comes from elsewhere', async () => {
    const { id } = await world.create();
    const tooMuch = 5 * MIB + 1;
    const update = (data: ExternalData) =>
      world.registry.updateImage(id, { ...data, limits: SIZE_5 }, world.owner);
    await expectRefusal(update({ location: locationOf(tooMuch) }), 'quota_exceeded');
    await expectRefusal(update(copyFrom(tooMuch)), 'quota_exceeded');
    const place = { url: 'https://host.example/one', metadata: {} };
    const changed = world.registry.updateImage(
      id,
      {
        locations: { seen: [], wanted: [place], sizeBytes: tooMuch, storageQuotaBytes: null },
        limits: SIZE_5,
      },
      world.owner,
    );
    await expectRefusal(changed, 'quota_exceeded');
    expect(await world.registry.getImage(id, world.owner)).toMatchObject({ status: 'queued' });
    await update({ location: locationOf(5 * MIB) });
    const another = { image: {}, location: locationOf(1), limits: SIZE_5 };
    await expectRefusal(world.registry.createImage(another, world.owner), 'quota_exceeded');
  });

  it('counts what is staged', async () => {
    const { id } = await world.create({ sizeBytes: 3 * MIB });
    const hash = { algorithm: 'sha256', value: 'ab'.repeat(32) };
    const register = { url: 'https://host.example/x', hash, sizeBytes: 3 * MIB };
    await world.registry.updateImage(
      id,
      { register: { ...register, storageQuotaBytes: null } },
      world.owner,
    );
    await world.registry.claimCopy(
      {
        imageId: id,
        withChecks: true,
        uploadId: randomUUID(),
        node: 'contract-suite:1',
        storageQuotaBytes: null,
        maxAttempts: 3,
        retrySeconds: 30,
      },
      world.admin,
    );
    expect(await usage()).toMatchObject({ imageStageTotalBytes: 3 * MIB, imageCountUploading: 1 });
    const limits = { imageStageTotalBytes: 5 * MIB };
    const text = 'Resource image_stage_total is over limit of 5 due to current usage 3 and delta 3';
    await expectText(begin(limits, 3 * MIB), text);
    await begin(limits, 2 * MIB);
  });

  it('counts data until it is gone', async () => {
    const { id } = await world.createActive({}, { sizeBytes: 7 });
    await world.registry.beginDeletion(id, { delayed: true }, world.owner);
    expect(await usage()).toMatchObject({ imageSizeTotalBytes: 7, imageCountTotal: 0 });
    await world.registry.finishDeletion(id, world.owner);
    expect(await usage()).toMatchObject({ imageSizeTotalBytes: 0, imageCountTotal: 0 });
  });
}
