import { randomUUID } from 'node:crypto';
import { expect, it } from '@jest/globals';
import { CONTRACT_VERSION } from '@glance/common';
import { expectRefusal, type NewWorld } from './contract-world';

export function generalCases(newWorld: NewWorld): void {
  it('names its contract version, to anybody', async () => {
    const world = newWorld();
    const info = await world.registry.contract(world.anonymous);
    expect(info.contract.major).toBe(CONTRACT_VERSION.major);
    expect(info.release).not.toBe('');
  });

  it('does nothing for a caller that has given up', async () => {
    const world = newWorld();
    const id = randomUUID();
    const gone = { ...world.owner, signal: AbortSignal.abort() };
    await expectRefusal(world.registry.createImage({ image: { id } }, gone), 'client_gone');
    await expectRefusal(world.registry.getImage(id, world.admin), 'image_not_found');
  });

  it('does not find an image that never was', async () => {
    const world = newWorld();
    const { registry, owner } = world;
    const id = randomUUID();
    const uploadId = randomUUID();
    const abandon = { reason: 'none', locationUrl: null };
    const calls = [
      registry.getImage(id, owner),
      registry.updateImage(id, {}, owner),
      registry.beginUpload(id, world.uploadRequest(), owner),
      registry.beginDeletion(id, { delayed: false }, owner),
      registry.finishDeletion(id, owner),
      registry.revertDeletion(id, owner),
      registry.commitUpload(id, uploadId, world.commitRequest(), owner),
      registry.abandonUpload(id, uploadId, abandon, owner),
      registry.restoreImage(id, world.service),
      registry.releaseDeletion(id, world.service),
    ];
    await Promise.all(calls.map((call) => expectRefusal(call, 'image_not_found', 'not_found')));
  });
}
