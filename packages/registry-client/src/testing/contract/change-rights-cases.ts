import { describe, expect, it } from '@jest/globals';
import type { ErrorCode, Visibility } from '@glance/common';
import { expectRefusal, type ContractWorld, type NewWorld } from './contract-world';

type Caller = 'admin' | 'owner' | 'member' | 'stranger' | 'projectless' | 'anonymous';

type Change = (world: ContractWorld, id: string, caller: Caller) => Promise<unknown>;
type Refusals = Partial<Record<Caller, ErrorCode[]>>;

const CHANGES: [string, Change][] = [
  [
    'an update',
    (world, id, caller) =>
      world.registry.updateImage(id, { fields: { name: 'new' } }, world[caller]),
  ],
  [
    'a deactivation',
    async (world, id, caller) => {
      const { status, deleted } = await world.registry.getImage(id, world.service);
      if (status === 'queued' && !deleted)
        await world.underTest.overwrite(id, { status: 'active' });
      return world.registry.setImageStatus(id, { status: 'deactivated' }, world[caller]);
    },
  ],
  [
    'an upload',
    (world, id, caller) => world.registry.beginUpload(id, world.uploadRequest(), world[caller]),
  ],
  [
    'a deletion',
    (world, id, caller) => world.registry.beginDeletion(id, { delayed: false }, world[caller]),
  ],
];

/** Registry sheet 3.2: what one sees but does not own is forbidden only when it is open. */
const REFUSALS: Record<Visibility, Refusals> = {
  public: {
    member: ['forbidden'],
    stranger: ['forbidden'],
    projectless: ['forbidden'],
    anonymous: ['forbidden'],
  },
  community: {
    member: ['forbidden'],
    stranger: ['forbidden'],
    projectless: ['forbidden'],
    anonymous: ['forbidden'],
  },
  shared: {
    member: ['image_not_found'],
    stranger: ['image_not_found'],
    projectless: ['image_not_found'],
    // Both apply; the contract names no order.
    anonymous: ['image_not_found', 'forbidden'],
  },
  private: {
    member: ['image_not_found'],
    stranger: ['image_not_found'],
    projectless: ['image_not_found'],
    anonymous: ['image_not_found', 'forbidden'],
  },
};

export function changeRightsCases(newWorld: NewWorld): void {
  describe.each(CHANGES)('%s', (_change, apply) => {
    it.each(Object.entries(REFUSALS) as [Visibility, Refusals][])(
      'of a %s image is for its owner and for admins',
      async (visibility, refusals) => {
        const world = newWorld();
        const { id } = await world.create({ visibility });
        await world.underTest.addMember(id, world.memberProject, 'accepted');
        for (const [caller, codes] of Object.entries(refusals)) {
          await expectRefusal(apply(world, id, caller as Caller), ...codes);
        }
        await apply(world, id, 'owner');
        const another = await world.create({ visibility });
        await apply(world, another.id, 'admin');
      },
    );

    it('of an image without owner is for admins', async () => {
      const world = newWorld();
      const open = await world.create({ owner: null, visibility: 'public' }, world.admin);
      const closed = await world.create({ owner: null, visibility: 'private' }, world.admin);
      for (const caller of ['owner', 'projectless'] as const) {
        await expectRefusal(apply(world, open.id, caller), 'forbidden');
        await expectRefusal(apply(world, closed.id, caller), 'image_not_found');
      }
      await apply(world, open.id, 'admin');
      await apply(world, closed.id, 'admin');
    });

    it('of a deleted image changes nothing', async () => {
      const world = newWorld();
      const { id } = await world.createActive();
      await world.remove(id);
      await expectRefusal(apply(world, id, 'owner'), 'image_not_found');
      // An admin sees it, which makes the reason the registry's choice.
      const before = await world.registry.getImage(id, world.admin);
      const codes = ['image_not_found', 'image_deleted', 'conflict'] as const;
      await expectRefusal(apply(world, id, 'admin'), ...codes);
      expect(await world.registry.getImage(id, world.admin)).toEqual(before);
    });
  });

  it('keeps strangers from an upload that runs', async () => {
    const world = newWorld();
    const { id } = await world.create({ visibility: 'community' });
    const uploadId = await world.begin(id);
    const { registry, stranger } = world;
    const beat = { bytesReceived: 1 };
    const abandon = { reason: 'no', locationUrl: null };
    const calls = [
      registry.heartbeat(id, uploadId, beat, stranger),
      registry.commitUpload(id, uploadId, world.commitRequest(), stranger),
      registry.abandonUpload(id, uploadId, abandon, stranger),
      registry.getUpload(id, uploadId, stranger),
    ];
    for (const call of calls) {
      await expectRefusal(call, 'forbidden', 'image_not_found', 'not_found');
    }
    await registry.commitUpload(id, uploadId, world.commitRequest(), world.owner);
  });

  it('lets who began an upload end it after the image changed hands', async () => {
    const world = newWorld();
    const { id } = await world.create({ visibility: 'private' });
    const uploadId = await world.begin(id);
    const request = { fields: { owner: world.otherProject } };
    await world.registry.updateImage(id, request, world.admin);
    await world.registry.heartbeat(id, uploadId, { bytesReceived: 1 }, world.owner);
    const commit = world.commitRequest();
    const image = await world.registry.commitUpload(id, uploadId, commit, world.owner);
    expect(image).toMatchObject({ status: 'active', owner: world.otherProject });
    await expectRefusal(world.registry.getImage(id, world.owner), 'image_not_found');
  });

  it('keeps callers without a project from the upload of an image without owner', async () => {
    const world = newWorld();
    const { id } = await world.create({ owner: null, visibility: 'public' }, world.admin);
    const uploadId = await world.begin(id, {}, world.admin);
    const { registry, projectless } = world;
    const calls = [
      registry.heartbeat(id, uploadId, { bytesReceived: 1 }, projectless),
      registry.commitUpload(id, uploadId, world.commitRequest(), projectless),
      registry.abandonUpload(id, uploadId, { reason: 'no', locationUrl: null }, projectless),
      registry.getUpload(id, uploadId, projectless),
    ];
    await Promise.all(calls.map((call) => expectRefusal(call, 'forbidden')));
    await registry.commitUpload(id, uploadId, world.commitRequest(), world.admin);
  });

  it('keeps strangers from a deletion that runs', async () => {
    const world = newWorld();
    const { id } = await world.createActive({ visibility: 'public' });
    await world.registry.beginDeletion(id, { delayed: false }, world.owner);
    for (const call of [world.registry.finishDeletion, world.registry.revertDeletion]) {
      await expectRefusal(
        call.call(world.registry, id, world.stranger),
        'forbidden',
        'image_not_found',
      );
    }
    await world.registry.finishDeletion(id, world.owner);
  });
}
