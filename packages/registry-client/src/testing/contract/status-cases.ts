import { beforeEach, expect, it } from '@jest/globals';
import { IMAGE_STATUSES, type SetImageStatus } from '@glance/common';
import { expectRefusal, type ContractWorld, type NewWorld } from './contract-world';

const LONG_AGO = '2020-01-01T00:00:00';
const STATUSES: SetImageStatus['status'][] = ['active', 'deactivated'];
// Deleted images are not there, whatever is wanted of them.
const OTHERS = IMAGE_STATUSES.filter(
  (status) => !['active', 'deactivated', 'deleted', 'pending_delete'].includes(status),
);

export function statusCases(newWorld: NewWorld): void {
  let world: ContractWorld;

  beforeEach(() => {
    world = newWorld();
  });

  const setStatus = (id: string, status: SetImageStatus['status'], caller = world.owner) =>
    world.registry.setImageStatus(id, { status }, caller);

  it('takes an active image out of use and back into it', async () => {
    const before = await world.createActive({ properties: [['a', '1']], tags: ['t'] });
    await world.underTest.overwrite(before.id, { updatedAt: LONG_AGO });
    const deactivated = await setStatus(before.id, 'deactivated', world.admin);
    const { updatedAt } = deactivated;
    expect(deactivated).toEqual({ ...before, status: 'deactivated', updatedAt });
    expect(updatedAt > LONG_AGO).toBe(true);
    expect(await world.registry.getImage(before.id, world.owner)).toEqual({
      ...deactivated,
      locations: [],
    });
    const active = await setStatus(before.id, 'active');
    expect(active).toEqual({ ...before, updatedAt: active.updatedAt });
    expect(await world.registry.getImage(before.id, world.owner)).toEqual(active);
  });

  it.each(STATUSES)('leaves an image alone that is %s already', async (status) => {
    const { id } = await world.createActive();
    await world.underTest.overwrite(id, { status, updatedAt: LONG_AGO });
    expect(await setStatus(id, status)).toMatchObject({ status, updatedAt: LONG_AGO });
    expect(await world.registry.getImage(id, world.owner)).toMatchObject({ updatedAt: LONG_AGO });
  });

  it.each(OTHERS)('refuses it for an image that is %s', async (from) => {
    const { id } = await world.create();
    await world.underTest.overwrite(id, { status: from, updatedAt: LONG_AGO });
    for (const status of STATUSES) {
      await expect(setStatus(id, status)).rejects.toMatchObject({
        code: 'conflict',
        details: { status: from },
      });
    }
    const after = await world.registry.getImage(id, world.owner);
    expect(after).toMatchObject({ status: from, updatedAt: LONG_AGO });
  });

  it('finds no image whose deletion has begun', async () => {
    const { id } = await world.createActive();
    await world.registry.beginDeletion(id, { delayed: false }, world.owner);
    for (const status of STATUSES) {
      await expectRefusal(setStatus(id, status), 'image_not_found');
      await expectRefusal(setStatus(id, status, world.admin), 'image_not_found');
    }
  });

  it('knows no other status', async () => {
    const { id } = await world.createActive();
    const call = setStatus(id, 'killed' as 'active');
    await expectRefusal(call, 'invalid_request');
  });
}
