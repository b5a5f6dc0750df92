import { beforeEach, expect, it } from '@jest/globals';
import type { ExternalLocation } from '@glance/common';
import { countWinners, expectRefusal, type ContractWorld, type NewWorld } from './contract-world';

const LIMIT = 100;

/** Images whose data lies elsewhere and stays there. */
export function externalDataCases(newWorld: NewWorld): void {
  let world: ContractWorld;

  beforeEach(() => {
    world = newWorld();
  });

  const aLocation = (overrides: Partial<ExternalLocation> = {}): ExternalLocation => ({
    url: 'https://user:password@host.example/disk.raw?signature=x',
    metadata: {},
    sizeBytes: 7,
    storageQuotaBytes: null,
    ...overrides,
  });
  const update = (id: string, location = aLocation(), caller = world.owner) =>
    world.registry.updateImage(id, { location }, caller);

  it('make a new image active in one step', async () => {
    const location = aLocation({ metadata: { nested: { a: ['b'] } } });
    const request = { image: { name: world.mark, sizeBytes: 3 }, location };
    const { image, lease } = await world.registry.createImage(request, world.owner);
    expect(lease).toBeNull();
    expect(image).toMatchObject({ status: 'active', sizeBytes: 7, checksum: null });
    const { url, metadata } = location;
    expect(image.locations).toEqual([{ id: expect.any(Number), url, metadata, status: 'active' }]);
    expect(await world.registry.getImage(image.id, world.owner)).toEqual(image);
  });

  it('make a queued image active together with other changes', async () => {
    const { id } = await world.create();
    const request = { fields: { diskFormat: 'raw' }, location: aLocation() };
    const image = await world.registry.updateImage(id, request, world.owner);
    expect(image).toMatchObject({ status: 'active', sizeBytes: 7, diskFormat: 'raw' });
    expect(image.locations).toHaveLength(1);
  });

  it.each(['saving', 'active', 'killed'] as const)(
    'are not for an image that is %s',
    async (status) => {
      const image = {
        saving: world.create,
        active: world.createActive,
        killed: world.createKilled,
      };
      const { id } = await image[status].call(world);
      if (status === 'saving') await world.begin(id);
      const before = await world.registry.getImage(id, world.owner);
      const request = { fields: { name: 'other' }, location: aLocation() };
      await expectRefusal(world.registry.updateImage(id, request, world.owner), 'conflict');
      expect(await world.registry.getImage(id, world.owner)).toEqual(before);
    },
  );

  it('are set once when several set them', async () => {
    const { id } = await world.create();
    const calls = Array.from({ length: 4 }, () => update(id));
    expect(await countWinners(calls, 'conflict')).toBe(1);
    expect((await world.registry.getImage(id, world.owner)).locations).toHaveLength(1);
  });

  it('are set by whoever may change the image', async () => {
    const { id } = await world.create({ visibility: 'shared' });
    await expectRefusal(update(id, aLocation(), world.stranger), 'image_not_found');
  });

  it('count for the quota of the owner', async () => {
    const within = aLocation({ sizeBytes: 60, storageQuotaBytes: LIMIT });
    const beyond = { ...within, sizeBytes: 41 };
    const { image } = await world.registry.createImage(
      { image: {}, location: within },
      world.owner,
    );
    const creating = world.registry.createImage({ image: {}, location: beyond }, world.owner);
    await expectRefusal(creating, 'quota_exceeded');
    const { id } = await world.create();
    await expectRefusal(update(id, beyond), 'quota_exceeded');
    expect(await world.registry.getImage(id, world.owner)).toMatchObject({
      status: 'queued',
      locations: [],
    });
    await world.remove(image.id);
    expect(await update(id, beyond)).toMatchObject({ status: 'active' });
  });

  it('are named once', async () => {
    const copyFrom = {
      sourceUrl: 'http://x/',
      storeId: 's',
      sizeBytes: 1,
      storageQuotaBytes: null,
    };
    const both = { location: aLocation(), copyFrom };
    const creating = world.registry.createImage({ image: {}, ...both }, world.owner);
    await expectRefusal(creating, 'invalid_request');
    const { id } = await world.create();
    await expectRefusal(world.registry.updateImage(id, both, world.owner), 'invalid_request');
  });
}
