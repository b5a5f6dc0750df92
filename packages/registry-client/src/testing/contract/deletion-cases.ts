import { beforeEach, expect, it } from '@jest/globals';
import type { NewImage } from '@glance/common';
import {
  countWinners,
  expectRefusal,
  sorted,
  type ContractWorld,
  type NewWorld,
} from './contract-world';

const RICH: NewImage = {
  visibility: 'shared',
  properties: [
    ['os', 'linux'],
    ['none', null],
  ],
  tags: ['a', 'b'],
};

export function deletionCases(newWorld: NewWorld): void {
  let world: ContractWorld;

  beforeEach(() => {
    world = newWorld();
  });

  const begin = (id: string, caller = world.owner, delayed = false) =>
    world.registry.beginDeletion(id, { delayed }, caller);
  const finish = (id: string, caller = world.owner) => world.registry.finishDeletion(id, caller);
  const revert = (id: string, caller = world.owner) => world.registry.revertDeletion(id, caller);
  const asAdmin = (id: string) => world.registry.getImage(id, world.admin);

  async function expectGone(id: string): Promise<void> {
    await expectRefusal(world.registry.getImage(id, world.owner), 'image_not_found');
    await expectRefusal(world.registry.getImage(id, world.member), 'image_not_found');
    for (const caller of [world.owner, world.member]) {
      expect(await world.listed({ memberStatus: 'all' }, caller)).toEqual([]);
    }
    expect(await world.listed({ scope: 'all' }, world.admin)).toEqual([]);
  }

  it.each([false, true])(
    'takes an image without data away at once (delayed: %s)',
    async (delayed) => {
      const { id } = await world.create(RICH);
      await world.underTest.addMember(id, world.memberProject, 'accepted');
      const plan = await begin(id, world.owner, delayed);
      expect(plan.locations).toEqual([]);
      expect(plan.image).toMatchObject({ id, status: 'deleted' });
      await expectGone(id);
      const image = await asAdmin(id);
      expect(image).toMatchObject({
        status: 'deleted',
        deleted: true,
        deletedAt: expect.any(String),
        properties: [],
        tags: [],
        locations: [],
      });
    },
  );

  it.each([false, true])(
    'takes an image with data away first and names its data (delayed: %s)',
    async (delayed) => {
      const active = await world.createActive(RICH);
      await world.underTest.addMember(active.id, world.memberProject, 'accepted');
      const plan = await begin(active.id, world.owner, delayed);
      expect(plan.image).toMatchObject({ id: active.id, status: 'pending_delete' });
      expect(plan.locations).toMatchObject(
        active.locations.map(({ id, url, metadata }) => ({ id, url, metadata })),
      );
      await expectGone(active.id);
      // The sweepers find by it what is still to be removed.
      const pending = active.locations.map((each) => ({ ...each, status: 'pending_delete' }));
      await expect(asAdmin(active.id)).resolves.toMatchObject({
        status: 'pending_delete',
        locations: pending,
      });
      const { registry } = world;
      const [listed] = await registry.listImages(
        world.query({ scope: 'all', deleted: true, status: ['pending_delete'], id: [active.id] }),
        world.admin,
      );
      expect(listed?.locations).toEqual(pending);

      const image = await finish(active.id);
      expect(image).toMatchObject({ id: active.id, status: 'deleted', deleted: true });
      await expectGone(active.id);
      await expect(asAdmin(active.id)).resolves.toMatchObject({
        status: 'deleted',
        deleted: true,
        deletedAt: expect.any(String),
        properties: [],
        tags: [],
        locations: [],
      });
    },
  );

  it('can be finished again', async () => {
    const { id } = await world.createActive();
    await begin(id);
    const first = await finish(id);
    expect(await finish(id)).toMatchObject({ id, status: 'deleted', deletedAt: first.deletedAt });
  });

  it('can be finished by the service itself', async () => {
    const { id } = await world.createActive();
    await begin(id, world.owner, true);
    expect(await finish(id, world.service)).toMatchObject({ status: 'deleted' });
  });

  it('gives an image back whose data cannot be removed', async () => {
    const before = await world.createActive(RICH);
    await world.underTest.addMember(before.id, world.memberProject, 'pending');
    await begin(before.id);
    const after = await revert(before.id);
    const same = {
      ...before,
      properties: sorted(before.properties),
      tags: sorted(before.tags),
      updatedAt: after.updatedAt,
    };
    expect({ ...after, properties: sorted(after.properties), tags: sorted(after.tags) }).toEqual(
      same,
    );
    expect(await world.registry.getImage(before.id, world.owner)).toEqual(after);
    expect(await world.listed({ memberStatus: 'pending' }, world.member)).toEqual([before.id]);
    expect(await world.listed({ properties: [['os', 'linux']], tags: ['a'] })).toEqual([before.id]);
    // And it can be deleted another time.
    await world.remove(before.id);
    await expectGone(before.id);
  });

  it('does not make a deactivated image active by giving it back', async () => {
    const { id } = await world.createActive();
    await world.underTest.overwrite(id, { status: 'deactivated' });
    expect((await begin(id)).image.status).toBe('pending_delete');
    expect((await revert(id)).status).toBe('deactivated');
    await expect(asAdmin(id)).resolves.toMatchObject({ status: 'deactivated', deleted: false });
  });

  it('names the data of a deactivated image to its owner', async () => {
    const { id, locations } = await world.createActive();
    await world.underTest.overwrite(id, { status: 'deactivated' });
    expect((await begin(id)).locations).toMatchObject(locations.map(({ url }) => ({ url })));
  });

  it('does not bring back what was removed before', async () => {
    const { id } = await world.createActive(RICH);
    const change = { properties: { set: [], remove: ['os'] }, tags: ['b'] };
    await world.registry.updateImage(id, change, world.owner);
    await begin(id);
    const image = await revert(id);
    expect(image).toMatchObject({ properties: [['none', null]], tags: ['b'] });
  });

  it('is finished or reverted only where one runs', async () => {
    const active = await world.createActive();
    await expectRefusal(finish(active.id), 'conflict');
    await expectRefusal(revert(active.id), 'conflict');
    expect(await world.registry.getImage(active.id, world.owner)).toEqual(active);
    await world.remove(active.id);
    await expectRefusal(revert(active.id), 'conflict');
    await expect(asAdmin(active.id)).resolves.toMatchObject({ status: 'deleted' });
    const queued = await world.create();
    await world.remove(queued.id);
    await expectRefusal(revert(queued.id), 'conflict');
  });

  it('is refused for a protected image, to its owner and to admins', async () => {
    const image = await world.createActive({ protected: true });
    await expectRefusal(begin(image.id), 'image_protected');
    await expectRefusal(begin(image.id, world.admin), 'image_protected');
    expect(await world.registry.getImage(image.id, world.owner)).toEqual(image);
    const request = { fields: { protected: false } };
    await world.registry.updateImage(image.id, request, world.owner);
    await world.remove(image.id);
    await expectGone(image.id);
  });

  it('happens once', async () => {
    const { id } = await world.createActive();
    await begin(id);
    await expectRefusal(begin(id), 'image_not_found');
    await expectRefusal(begin(id, world.admin), 'image_pending_delete');
    await finish(id);
    await expectRefusal(begin(id), 'image_not_found');
    await expectRefusal(begin(id, world.admin), 'image_not_found');
  });

  it('has one winner of deletions at once', async () => {
    const active = await world.createActive();
    const queued = await world.create();
    for (const { id } of [active, queued]) {
      const calls = Array.from({ length: 5 }, () => begin(id));
      expect(await countWinners(calls, 'image_not_found')).toBe(1);
    }
  });

  it('takes a killed image', async () => {
    const { id } = await world.createKilled();
    expect((await begin(id)).image.status).toBe('deleted');
  });

  it('lets nothing else happen to the image', async () => {
    const { id } = await world.createActive();
    await begin(id);
    await expectRefusal(world.begin(id), 'image_not_found');
    const update = world.registry.updateImage(id, { fields: { name: 'x' } }, world.owner);
    await expectRefusal(update, 'image_not_found');
    await expectRefusal(world.create({ id }), 'image_exists');
  });
}
