import { randomUUID } from 'node:crypto';
import { beforeEach, expect, it } from '@jest/globals';
import type { ClaimDeletion, ImageRecord, NewImage } from '@glance/common';
import { expectRefusal, sorted, type ContractWorld, type NewWorld } from './contract-world';

const RICH: NewImage = {
  visibility: 'shared',
  properties: [
    ['os', 'linux'],
    ['none', null],
    ['gone', 'before'],
  ],
  tags: ['a', 'b'],
};
const AT_ONCE = { graceSeconds: 0, scrubSeconds: 0 };

/** What scrubbers finish, and what operators bring back before. */
export function restoreCases(newWorld: NewWorld): void {
  let world: ContractWorld;

  beforeEach(() => {
    world = newWorld();
  });

  const restore = (id: string, caller = world.service) => world.registry.restoreImage(id, caller);
  const release = (id: string, caller = world.service) =>
    world.registry.releaseDeletion(id, caller);

  /** Claims the image, if it can be: those of others have other ids. */
  async function claim(id: string, request: Partial<ClaimDeletion> = AT_ONCE) {
    const plan = await world.registry.claimDeletion(
      { ...AT_ONCE, ...request, after: justBefore(id) },
      world.service,
    );
    return plan?.image.id === id ? plan : null;
  }

  async function deleted(image: NewImage = {}, delayed = true): Promise<ImageRecord> {
    const active = await world.createActive({ id: aUuid(), ...image });
    await world.registry.beginDeletion(active.id, { delayed }, world.owner);
    return active;
  }

  it('brings an image back with all that was deleted with it', async () => {
    const { id } = await world.createActive(RICH);
    await world.underTest.addMember(id, world.memberProject, 'accepted');
    const change = { properties: { set: [], remove: ['gone'] }, tags: ['b'] };
    const before = await world.registry.updateImage(id, change, world.owner);
    await world.registry.beginDeletion(id, { delayed: true }, world.owner);
    await expectRefusal(world.registry.getImage(id, world.owner), 'image_not_found');

    const after = await restore(id);
    expect({ ...after, properties: sorted(after.properties) }).toEqual({
      ...before,
      properties: sorted(before.properties),
      updatedAt: after.updatedAt,
    });
    expect(after).toMatchObject({ deletedAt: null, tags: ['b'], status: 'active' });
    expect(await world.registry.getImage(id, world.owner)).toEqual(after);
    expect(await world.listed({}, world.member)).toEqual([id]);
    expect(await world.registry.listMembers(id, world.owner)).toMatchObject([
      { memberId: world.memberProject, status: 'accepted' },
    ]);
    // It can be deleted for good.
    await world.remove(id);
    await expectRefusal(restore(id), 'conflict');
  });

  it('brings a deactivated image back as one', async () => {
    const { id } = await world.createActive();
    await world.registry.setImageStatus(id, { status: 'deactivated' }, world.owner);
    await world.registry.beginDeletion(id, { delayed: true }, world.owner);
    expect(await restore(id)).toMatchObject({ status: 'deactivated', deleted: false });
  });

  it('does not restore what is not deleted, was without data, or is deleted at once', async () => {
    const active = await world.createActive();
    const queued = await world.create();
    await expectRefusal(restore(active.id), 'conflict');
    await expectRefusal(restore(queued.id), 'conflict');
    await world.registry.beginDeletion(queued.id, { delayed: true }, world.owner);
    await expectRefusal(restore(queued.id), 'conflict');
    // Whoever began to delete it removes its data just now.
    const { id } = await deleted({}, false);
    await expectRefusal(restore(id), 'conflict');
    await expectRefusal(restore(randomUUID()), 'image_not_found');
  });

  it('restores an image once', async () => {
    const { id } = await deleted();
    const outcomes = await Promise.allSettled([restore(id), restore(id), restore(id)]);
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    expect(await world.registry.getImage(id, world.owner)).toMatchObject({ status: 'active' });
  });

  it('hands out a deletion with what there is to remove, and then restores it no more', async () => {
    const before = await deleted();
    const plan = await claim(before.id);
    expect(plan).toMatchObject({
      image: { id: before.id, status: 'pending_delete', deleted: true },
      locations: before.locations.map(({ id, url, metadata }) => ({ id, url, metadata })),
    });
    await expectRefusal(restore(before.id), 'conflict');
    // Whoever claimed it may have died.
    expect((await claim(before.id))?.locations).toHaveLength(1);
    await world.registry.finishDeletion(before.id, world.service);
    expect(await claim(before.id)).toBeNull();
    await expectRefusal(restore(before.id), 'conflict');
  });

  it('restores what every scrubber has found to be all there', async () => {
    const { id } = await deleted();
    await claim(id);
    await claim(id);
    await release(id);
    await expectRefusal(restore(id), 'conflict');
    await release(id);
    expect(await restore(id)).toMatchObject({ status: 'active' });
    await expectRefusal(release(id), 'conflict');
  });

  it('knows nothing of scrubbers that met an earlier deletion of the image', async () => {
    const { id } = await deleted();
    await claim(id);
    await release(id);
    await restore(id);
    await world.registry.beginDeletion(id, { delayed: true }, world.owner);
    expect(await restore(id)).toMatchObject({ status: 'active' });
  });

  it('is not reverted once somebody else has begun to remove the data', async () => {
    const { id } = await deleted({}, false);
    await claim(id);
    await expectRefusal(world.registry.revertDeletion(id, world.owner), 'conflict');
    await release(id);
    const image = await world.registry.revertDeletion(id, world.owner);
    expect(image.status).toBe('active');
  });

  it('leaves each deletion the time that it is to have', async () => {
    const atOnce = await deleted({}, false);
    const delayed = await deleted();
    expect(await claim(delayed.id, { scrubSeconds: 60 })).toBeNull();
    expect(await claim(atOnce.id, { graceSeconds: 60 })).toBeNull();
    expect(await claim(delayed.id, { graceSeconds: 60 })).not.toBeNull();
    expect(await claim(atOnce.id, { scrubSeconds: 60 })).not.toBeNull();
  });

  it('is for the service alone', async () => {
    const { id } = await deleted();
    const request = { ...AT_ONCE, after: justBefore(id) };
    await expectRefusal(world.registry.claimDeletion(request, world.owner), 'forbidden');
    await expectRefusal(release(id, world.owner), 'forbidden');
    await expectRefusal(restore(id, world.owner), 'forbidden');
  });

  it('keeps the data of a location that is taken away with delay', async () => {
    const { id, locations } = await world.createActive();
    const seen = locations.map(({ url, metadata }) => ({ url, metadata }));
    const other = { url: `http://host.example/${id}`, metadata: {} };
    const base = { sizeBytes: 5, storageQuotaBytes: null };
    const change = (from: object[], wanted: object[], delayed: boolean) =>
      world.registry.updateImage(
        id,
        { locations: { ...base, seen: from, wanted, delayed } as never },
        world.owner,
      );
    await change(seen, [...seen, other], false);
    await change([...seen, other], [other], true);
    expect(
      await world.registry.listRemovals({ imageId: id, limit: 10 }, world.service),
    ).toMatchObject([{ imageId: id, isDelayed: true }]);
  });

  it('names what an image left that was deleted while an import had failed', async () => {
    const { id } = await world.createActive();
    const [kept] = (await world.registry.getImage(id, world.admin)).locations;
    // As a failed import leaves it: without data of its own, and with some that waits.
    await world.underTest.overwrite(id, { status: 'queued' });
    const plan = await world.registry.beginDeletion(id, { delayed: false }, world.owner);
    expect(plan.image.status).toBe('deleted');
    const left = await world.registry.listRemovals({ imageId: id, limit: 10 }, world.service);
    expect(left).toMatchObject([{ imageId: id, location: { id: kept?.id, url: kept?.url } }]);
    const end = (outcome: 'gone' | 'refused') =>
      world.registry.endRemoval(id, kept?.id ?? 0, { outcome }, world.service);
    expect(await end('refused')).toBe(false);
    expect(await end('gone')).toBe(true);
    expect(await end('gone')).toBe(false);
    expect(await world.registry.listRemovals({ imageId: id, limit: 10 }, world.service)).toEqual(
      [],
    );
  });
}

/** With a last digit that others come before. */
function aUuid(): string {
  return `${randomUUID().slice(0, -1)}f`;
}

function justBefore(id: string): string {
  return `${id.slice(0, -1)}0`;
}
