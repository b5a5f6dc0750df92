import { LEASE_SECONDS } from './fake-uploads';
import { ContractWorld, expectRefusal } from './contract/contract-world';
import type { RegistryUnderTest } from './contract/contract-harness';
import { describeRegistryContract, FakeRegistry } from './index';

function underTest(registry: FakeRegistry): RegistryUnderTest {
  return {
    registry,
    addMember: async (...member) => registry.share(...member),
    expireLeases: async () => registry.expireLeases(),
    overwrite: async (...change) => registry.overwrite(...change),
    close: async () => undefined,
  };
}

describeRegistryContract('FakeRegistry', {
  start: async () => underTest(new FakeRegistry()),
});

describe('FakeRegistry', () => {
  let registry: FakeRegistry;
  let world: ContractWorld;
  let nowMs: number;

  beforeEach(() => {
    nowMs = Date.parse('2026-01-02T03:04:05Z');
    registry = new FakeRegistry(() => nowMs);
    world = new ContractWorld(underTest(registry));
  });

  it('goes by the clock it is given', async () => {
    const image = await world.create();
    expect(image.createdAt).toBe('2026-01-02T03:04:05');
    nowMs += 60_000;
    registry.advance(5);
    const updated = await registry.updateImage(image.id, {}, world.owner);
    expect(updated).toMatchObject({
      createdAt: '2026-01-02T03:04:05',
      updatedAt: '2026-01-02T03:05:10',
    });
  });

  it('ends a lease when its time is over, counted from the last heartbeat', async () => {
    const { id } = await world.create();
    const uploadId = await world.begin(id);
    const stateAfter = async (seconds: number) => {
      registry.advance(seconds);
      return (await registry.getUpload(id, uploadId, world.owner)).state;
    };
    expect(await stateAfter(LEASE_SECONDS - 1)).toBe('live');
    await registry.heartbeat(id, uploadId, { bytesReceived: 1 }, world.owner);
    expect(await stateAfter(LEASE_SECONDS - 1)).toBe('live');
    expect(await stateAfter(1)).toBe('expired');
  });

  it('frees what was reserved for a deleted image when the lease is over', async () => {
    const quota = { expectedSizeBytes: 10, storageQuotaBytes: 10 };
    const deleted = await world.create();
    await world.begin(deleted.id, quota);
    await world.remove(deleted.id);
    const { id } = await world.create();
    await expectRefusal(world.begin(id, quota), 'quota_exceeded');
    registry.expireLeases();
    await world.begin(id, quota);
  });

  it('hands out copies', async () => {
    const { id } = await world.create({ tags: ['a'] });
    const image = await registry.getImage(id, world.owner);
    image.tags.push('b');
    image.name = 'changed';
    await expect(registry.getImage(id, world.owner)).resolves.toMatchObject({
      name: world.mark,
      tags: ['a'],
    });
  });
});
