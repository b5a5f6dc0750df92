import { beforeAll, describe, expect, it } from '@jest/globals';
import {
  VISIBILITIES,
  type ImageListQuery,
  type ImageRecord,
  type Visibility,
} from '@glance/common';
import { expectRefusal, type ContractWorld, type NewWorld } from './contract-world';

type Caller = 'admin' | 'owner' | 'member' | 'stranger' | 'projectless' | 'anonymous';
const CALLERS: Caller[] = ['admin', 'owner', 'member', 'stranger', 'projectless', 'anonymous'];

/** By id (schema sheet 5.1). */
const SEES: Record<Caller, readonly Visibility[]> = {
  admin: VISIBILITIES,
  owner: VISIBILITIES,
  member: ['public', 'community', 'shared'],
  stranger: ['public', 'community'],
  projectless: ['public', 'community'],
  anonymous: ['public', 'community'],
};

/** In a plain list, where an admin asks as a user of the admin's project. */
const LISTS: Record<Caller, readonly Visibility[]> = {
  admin: ['public'],
  owner: VISIBILITIES,
  member: ['public', 'shared'],
  stranger: ['public'],
  projectless: ['public'],
  anonymous: ['public'],
};

export function visibilityCases(newWorld: NewWorld): void {
  describe('of the four visibilities', () => {
    let world: ContractWorld;
    const images = {} as Record<Visibility, ImageRecord>;

    beforeAll(async () => {
      world = newWorld();
      for (const visibility of VISIBILITIES) {
        const image = await world.createActive({ visibility });
        images[visibility] = image;
        // A private or community image is not opened, nor closed, by a row that is left over.
        await world.underTest.addMember(image.id, world.memberProject, 'accepted');
      }
    });

    async function listedVisibilities(caller: Caller, query: Partial<ImageListQuery> = {}) {
      const ids = await world.listed(query, world[caller]);
      return VISIBILITIES.filter((visibility) => ids.includes(images[visibility].id));
    }

    it.each(
      CALLERS.flatMap((caller) =>
        VISIBILITIES.map((visibility) => ({
          caller,
          visibility,
          isSeen: SEES[caller].includes(visibility),
        })),
      ),
    )('$visibility by id: $caller → $isSeen', async ({ caller, visibility, isSeen }) => {
      const image = images[visibility];
      const call = world.registry.getImage(image.id, world[caller]);
      if (isSeen) expect(await call).toEqual(image);
      else await expectRefusal(call, 'image_not_found');
    });

    it.each(CALLERS)('in a plain list for %s', async (caller) => {
      expect(await listedVisibilities(caller)).toEqual(LISTS[caller]);
    });

    it.each(CALLERS)('in a list of one visibility for %s', async (caller) => {
      for (const visibility of VISIBILITIES) {
        const isListed = LISTS[caller].includes(visibility) || visibility === 'community';
        expect(await listedVisibilities(caller, { visibility: [visibility] })).toEqual(
          isListed ? [visibility] : [],
        );
      }
    });

    it('in a list of several visibilities', async () => {
      const visibility: Visibility[] = ['public', 'community', 'private'];
      expect(await listedVisibilities('owner', { visibility })).toEqual(visibility);
      expect(await listedVisibilities('stranger', { visibility })).toEqual(['public', 'community']);
    });

    it('in the list of everything, which is for admins', async () => {
      const all = { scope: 'all' } as const;
      expect(await listedVisibilities('admin', all)).toEqual(['public', 'shared', 'private']);
      expect(await listedVisibilities('admin', { ...all, visibility: ['community'] })).toEqual([
        'community',
      ]);
      for (const caller of CALLERS.slice(1)) {
        await expectRefusal(world.listed(all, world[caller]), 'forbidden');
      }
    });
  });

  it('takes any membership by id, and the asked ones in lists', async () => {
    const world = newWorld();
    const statuses = ['accepted', 'pending', 'rejected'] as const;
    const ids: string[] = [];
    for (const status of statuses) {
      const { id } = await world.create({ visibility: 'shared' });
      await world.underTest.addMember(id, world.memberProject, status);
      await expect(world.registry.getImage(id, world.member)).resolves.toMatchObject({ id });
      ids.push(id);
    }
    for (const [index, memberStatus] of statuses.entries()) {
      expect(await world.listed({ memberStatus }, world.member)).toEqual([ids[index]]);
      // What is one's own needs no membership.
      expect((await world.listed({ memberStatus })).sort()).toEqual([...ids].sort());
    }
    const all = await world.listed({ memberStatus: 'all' }, world.member);
    expect(all.sort()).toEqual([...ids].sort());
  });

  it('shows an image without owner to everybody who has its id, and lists it when public', async () => {
    const world = newWorld();
    const open = await world.create({ owner: null, visibility: 'public' }, world.admin);
    const closed = await world.create({ owner: null, visibility: 'private' }, world.admin);
    for (const caller of CALLERS) {
      for (const { id } of [open, closed]) {
        await expect(world.registry.getImage(id, world[caller])).resolves.toMatchObject({
          id,
          owner: null,
        });
      }
      expect(await world.listed({}, world[caller])).toEqual([open.id]);
    }
  });

  it('shows the locations of a deactivated image to admins only', async () => {
    const world = newWorld();
    const { id, locations } = await world.createActive({ visibility: 'public' });
    await world.underTest.overwrite(id, { status: 'deactivated' });
    for (const caller of CALLERS) {
      const image = await world.registry.getImage(id, world[caller]);
      const [listed] = await world.registry.listImages(
        world.query({ name: [world.mark] }),
        world[caller],
      );
      expect(image.locations).toEqual(caller === 'admin' ? locations : []);
      expect(listed).toEqual(image);
    }
    const updated = await world.registry.updateImage(id, {}, world.owner);
    expect(updated.locations).toEqual([]);
  });

  it.each(VISIBILITIES)('shows a deleted %s image to admins only', async (visibility) => {
    const world = newWorld();
    const { id } = await world.createActive({ visibility });
    await world.underTest.addMember(id, world.memberProject, 'accepted');
    await world.remove(id);
    for (const caller of CALLERS.slice(1)) {
      await expectRefusal(world.registry.getImage(id, world[caller]), 'image_not_found');
    }
    await expect(world.registry.getImage(id, world.admin)).resolves.toMatchObject({
      id,
      deleted: true,
    });
  });
}
