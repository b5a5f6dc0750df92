import { randomUUID } from 'node:crypto';
import { beforeEach, expect, it } from '@jest/globals';
import type { ChangeLocations, DataPlace, ImageRecord } from '@glance/common';
import { countWinners, expectRefusal, type ContractWorld, type NewWorld } from './contract-world';

const LIMIT = 100;
const SIZE = 30;

/** Several places of an image's data: their order, and what becomes of those that are taken away. */
export function locationCases(newWorld: NewWorld): void {
  let world: ContractWorld;

  beforeEach(() => {
    world = newWorld();
  });

  const place = (name: string, metadata = {}): DataPlace => ({
    url: `http://${world.mark}.example/${name}`,
    metadata,
  });
  const change = (
    id: string,
    seen: DataPlace[],
    wanted: DataPlace[],
    overrides: Partial<ChangeLocations> = {},
    caller = world.owner,
  ) =>
    world.registry.updateImage(
      id,
      { locations: { seen, wanted, sizeBytes: SIZE, storageQuotaBytes: null, ...overrides } },
      caller,
    );
  /** An active image with these places. */
  async function located(...places: DataPlace[]): Promise<ImageRecord> {
    return await change((await world.create()).id, [], places);
  }
  const placesOf = (image: ImageRecord): DataPlace[] =>
    image.locations.map(({ url, metadata }) => ({ url, metadata }));
  const shown = async (id: string) => placesOf(await world.registry.getImage(id, world.owner));
  const removals = (imageId: string, caller = world.admin) =>
    world.registry.listRemovals({ imageId, limit: 10 }, caller);
  const end = (id: string, locationId: number, outcome: 'gone' | 'refused', caller = world.admin) =>
    world.registry.endRemoval(id, locationId, { outcome }, caller);

  it('makes a queued image active, with what is said of its data', async () => {
    const { id } = await world.create({ diskFormat: 'raw' });
    const [a, b] = [place('a', { zone: '1' }), place('b')];
    const said = { checksum: 'c'.repeat(32), hash: { algorithm: 'sha512', value: 'ab' } };
    const image = await change(id, [], [a, b], said);
    expect(image).toMatchObject({ status: 'active', sizeBytes: SIZE, checksum: 'c'.repeat(32) });
    expect(image).toMatchObject({ hashAlgorithm: 'sha512', hashValue: 'ab' });
    expect(placesOf(image)).toEqual([a, b]);
    expect(await world.registry.getImage(id, world.owner)).toEqual(image);
  });

  it('keeps the order that was asked for', async () => {
    const [a, b, c] = [place('a'), place('b'), place('c')];
    const { id } = await located(a, b);
    await change(id, [a, b], [c, a, b]);
    expect(await shown(id)).toEqual([c, a, b]);
    const reversed = [b, a, { ...c, metadata: { zone: '2' } }];
    await change(id, [c, a, b], reversed);
    expect(await shown(id)).toEqual(reversed);
    expect(await removals(id)).toEqual([]);
  });

  it('is a conflict when others were there, and changes nothing else then', async () => {
    const [a, b] = [place('a'), place('b')];
    const { id } = await located(a, b);
    for (const seen of [[a], [b, a], [a, { ...b, metadata: { x: 'y' } }], []]) {
      await expectRefusal(change(id, seen, [a]), 'conflict');
    }
    const request = {
      fields: { name: 'other' },
      locations: { seen: [a], wanted: [a], sizeBytes: SIZE, storageQuotaBytes: null },
    };
    await expectRefusal(world.registry.updateImage(id, request, world.owner), 'conflict');
    expect(await world.registry.getImage(id, world.owner)).toMatchObject({ name: world.mark });
    expect(await shown(id)).toEqual([a, b]);
  });

  it('takes one of two away when each is taken away at once', async () => {
    const [a, b] = [place('a'), place('b')];
    const { id } = await located(a, b);
    const calls = [change(id, [a, b], [a]), change(id, [a, b], [b])];
    expect(await countWinners(calls, 'conflict')).toBe(1);
    expect(await shown(id)).toHaveLength(1);
    expect(await removals(id)).toHaveLength(1);
  });

  it('never takes the last one', async () => {
    const a = place('a');
    const { id } = await located(a);
    await expectRefusal(change(id, [a], []), 'invalid_request');
  });

  it.each(['saving', 'killed', 'deactivated'] as const)('is not for a %s image', async (status) => {
    const image = status === 'killed' ? await world.createKilled() : await located(place('a'));
    if (status === 'saving') {
      image.id = (await world.create()).id;
      await world.begin(image.id);
    }
    if (status === 'deactivated') {
      await world.registry.setImageStatus(image.id, { status }, world.owner);
    }
    const seen = placesOf(await world.registry.getImage(image.id, world.admin));
    await expectRefusal(change(image.id, seen, [...seen, place('b')]), 'conflict');
  });

  it('is for who may change the image', async () => {
    const { id } = await located(place('a'));
    const call = change(id, [place('a')], [place('b')], {}, world.stranger);
    await expectRefusal(call, 'image_not_found');
  });

  it('shows nobody what was taken away, until its data is gone', async () => {
    const [a, b] = [place('a'), place('b', { zone: '1' })];
    const { id } = await located(a, b);
    expect(placesOf(await change(id, [a, b], [a]))).toEqual([a]);
    for (const caller of [world.owner, world.admin]) {
      expect(placesOf(await world.registry.getImage(id, caller))).toEqual([a]);
    }
    const [removal] = await removals(id);
    expect(removal).toMatchObject({ imageId: id, location: b, begunAt: expect.any(String) });
    const locationId = removal!.location.id;
    expect(await end(id, locationId, 'gone')).toBe(true);
    expect(await end(id, locationId, 'gone')).toBe(false);
    expect(await end(id, locationId, 'refused')).toBe(false);
    expect(await removals(id)).toEqual([]);
    expect(await shown(id)).toEqual([a]);
  });

  it('gives back what a store refuses to remove', async () => {
    const [a, b] = [place('a'), place('b')];
    const { id } = await located(a, b);
    await change(id, [a, b], [b]);
    const [removal] = await removals(id);
    expect(await end(id, removal!.location.id, 'refused')).toBe(true);
    expect(await shown(id)).toEqual([a, b]);
    expect(await removals(id)).toEqual([]);
  });

  it('leaves data alone that another location counts on', async () => {
    const [first, second, b] = [place('a', { zone: '1' }), place('a', { zone: '2' }), place('b')];
    const { id } = await located(first, second, b);
    await change(id, [first, second, b], [second, b]);
    expect(await shown(id)).toEqual([second, b]);
    const other = await located(b);
    await change(id, [second, b], [second]);
    expect(await removals(id)).toEqual([]);
    expect(await shown(other.id)).toEqual([b]);
  });

  it('is listed page by page for whoever removes the data', async () => {
    const places = ['a', 'b', 'c', 'd'].map((name) => place(name));
    const { id } = await located(...places);
    await change(id, places, [places[1]!]);
    const all = await removals(id);
    expect(all.map(({ location }) => location.url)).toEqual(
      [0, 2, 3].map((index) => places[index]!.url),
    );
    const after = all[0]!.location.id;
    const rest = await world.registry.listRemovals({ after, limit: 1, imageId: id }, world.admin);
    expect(rest).toEqual([all[1]]);
    await expectRefusal(removals(id, world.owner), 'forbidden');
    await expectRefusal(end(id, after, 'gone', world.owner), 'forbidden');
  });

  it('leaves the data to the deletion of the image when that comes first', async () => {
    const [a, b] = [place('a'), place('b')];
    const { id } = await located(a, b);
    await change(id, [a, b], [a]);
    const [removal] = await removals(id);
    const plan = await world.registry.beginDeletion(id, { delayed: false }, world.owner);
    expect(plan.locations.map(({ url }) => url).sort()).toEqual([a.url, b.url]);
    expect(await removals(id)).toEqual([]);
    expect(await end(id, removal!.location.id, 'refused')).toBe(false);
    await world.registry.revertDeletion(id, world.owner);
    expect(await shown(id)).toEqual([a]);
    expect(await removals(id)).toHaveLength(1);
    await world.remove(id);
    expect(await end(id, removal!.location.id, 'gone')).toBe(false);
    expect(await removals(id)).toEqual([]);
  });

  it('counts each place for the quota of the owner, until its data is gone', async () => {
    const limit = { storageQuotaBytes: LIMIT };
    const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((name) => place(name)) as [
      DataPlace,
      DataPlace,
      DataPlace,
      DataPlace,
    ];
    const { id } = await world.create();
    await expectRefusal(change(id, [], [a, b, c, d], limit), 'quota_exceeded');
    await change(id, [], [a, b], limit);
    await change(id, [a, b], [a, b, c], limit);
    await expectRefusal(change(id, [a, b, c], [a, b, c, d], limit), 'quota_exceeded');
    await change(id, [a, b, c], [a, b], limit);
    await expectRefusal(change(id, [a, b], [a, b, d], limit), 'quota_exceeded');
    const [removal] = await removals(id);
    await end(id, removal!.location.id, 'gone');
    await change(id, [a, b], [a, b, d], limit);
    await world.remove(id);
    await change((await world.create()).id, [], [a, b, c], limit);
  });

  it('forgets a copy that was promised', async () => {
    const copyFrom = {
      sourceUrl: 'http://x/',
      storeId: 's',
      sizeBytes: 1,
      storageQuotaBytes: null,
    };
    const { image } = await world.registry.createImage({ image: {}, copyFrom }, world.owner);
    await change(image.id, [], [place('a')]);
    const claim = { uploadId: randomUUID(), node: 'n', maxAttempts: 1, retrySeconds: 1 };
    const request = { ...claim, imageId: image.id, storageQuotaBytes: null };
    expect(await world.registry.claimCopy(request, world.admin)).toBeNull();
  });
}
