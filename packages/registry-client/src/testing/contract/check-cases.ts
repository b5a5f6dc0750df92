import { randomUUID } from 'node:crypto';
import { beforeEach, describe, expect, it } from '@jest/globals';
import type {
  ClaimCopy,
  ExternalLocation,
  RecordHashes,
  RegisterLocation,
  TaskOfImage,
} from '@glance/common';
import { expectRefusal, type ContractWorld, type NewWorld } from './contract-world';

const URL = 'https://user:password@host.example/disk.raw?signature=x';
const HASH = { algorithm: 'sha256', value: 'ab'.repeat(32) };

/** Locations whose data is read before, or after, the image is active with them. */
export function checkCases(newWorld: NewWorld): void {
  let world: ContractWorld;

  beforeEach(() => {
    world = newWorld();
  });

  const register = async (id: string, overrides: Partial<RegisterLocation> = {}) =>
    await world.registry.updateImage(
      id,
      {
        register: { url: URL, hash: HASH, sizeBytes: null, storageQuotaBytes: null, ...overrides },
      },
      world.owner,
    );
  const promised = async (): Promise<string> => {
    const { id } = await world.create();
    expect(await register(id)).toMatchObject({ status: 'queued', locations: [] });
    return id;
  };
  const claim = (imageId: string, overrides: Partial<ClaimCopy> = {}) =>
    world.registry.claimCopy(
      {
        imageId,
        withChecks: true,
        uploadId: randomUUID(),
        node: 'contract-suite:1',
        storageQuotaBytes: null,
        maxAttempts: 3,
        retrySeconds: 3600,
        ...overrides,
      },
      world.admin,
    );
  const claimed = async (id: string, overrides: Partial<ClaimCopy> = {}) => {
    const copy = await claim(id, overrides);
    if (!copy) throw new Error('there was nothing to claim');
    return copy;
  };
  const end = (id: string, uploadId: string, copy: 'failed' | 'failed_for_good' | 'handed_back') =>
    world.registry.abandonUpload(
      id,
      uploadId,
      { reason: 'contract suite', locationUrl: null, copy },
      world.admin,
    );
  const imageOf = (id: string) => world.registry.getImage(id, world.owner);

  it('are claimed as copies and end with the location', async () => {
    const id = await promised();
    const { image, lease, check } = await claimed(id);
    expect([image.status, check]).toEqual(['importing', HASH]);
    const { uploadId } = lease;
    expect(await world.registry.getCopySource(id, uploadId, world.admin)).toBe(URL);
    const commit = world.commitRequest({
      location: { url: URL, metadata: {} },
      sizeBytes: 7,
      hashAlgorithm: HASH.algorithm,
      hashValue: HASH.value,
    });
    await world.registry.commitUpload(id, uploadId, commit, world.admin);
    const active = await imageOf(id);
    expect(active).toMatchObject({ status: 'active', sizeBytes: 7, hashAlgorithm: 'sha256' });
    expect(active.locations).toMatchObject([{ url: URL, status: 'active' }]);
    expect(await claim(id)).toBeNull();
  });

  it('are not shown to those who only know copies', async () => {
    const id = await promised();
    expect(await claim(id, { withChecks: false })).toBeNull();
    const found = [];
    for (;;) {
      const copy = await claim(id, { imageId: undefined as never, withChecks: false });
      if (!copy) break;
      found.push(copy.image.id);
    }
    expect(found).not.toContain(id);
    expect(await claim(id)).toMatchObject({ image: { id } });
  });

  it.each(['failed', 'failed_for_good', 'lease ran out'] as const)(
    'leave a queued image and no promise when the last attempt %s',
    async (how) => {
      const id = await promised();
      const maxAttempts = how === 'failed_for_good' ? 3 : 1;
      const { lease } = await claimed(id, { maxAttempts, retrySeconds: 1 });
      if (how === 'lease ran out') await world.underTest.expireLeases();
      else await end(id, lease.uploadId, how);
      const image = await imageOf(id);
      expect(image).toMatchObject({ status: 'queued', locations: [], sizeBytes: null });
      expect(image).toMatchObject({ checksum: null, hashValue: null });
      // Nothing is promised any more.
      const changes = { unlessPromised: true };
      await world.registry.updateImage(id, changes, world.owner);
    },
  );

  it('stay promised after an attempt that is not the last', async () => {
    const id = await promised();
    const { lease } = await claimed(id);
    await end(id, lease.uploadId, 'failed');
    expect(await imageOf(id)).toMatchObject({ status: 'queued' });
    const second = world.registry.updateImage(id, { unlessPromised: true }, world.owner);
    await expectRefusal(second, 'conflict');
  });

  it('go on at once when the last attempt is handed back', async () => {
    const id = await promised();
    const first = await claimed(id, { maxAttempts: 1 });
    await end(id, first.lease.uploadId, 'handed_back');
    expect(await claimed(id, { maxAttempts: 1 })).toMatchObject({ attempt: 1, check: HASH });
  });

  it('end when the image is deleted', async () => {
    const id = await promised();
    const { lease } = await claimed(id);
    await world.remove(id);
    const beat = world.registry.heartbeat(id, lease.uploadId, { bytesReceived: 1 }, world.admin);
    await expectRefusal(beat, 'upload_fenced');
    expect(await claim(id)).toBeNull();
  });

  it('are promised to queued images, within the quota of the owner', async () => {
    const { id } = await world.createActive();
    await expectRefusal(register(id), 'conflict');
    const queued = await world.create();
    const call = register(queued.id, { sizeBytes: 7, storageQuotaBytes: 6 });
    await expectRefusal(call, 'quota_exceeded');
  });

  describe('with a task', () => {
    const newTask = (): TaskOfImage => ({
      ...{ taskId: randomUUID(), userId: 'alice', requestId: 'req-1', timeToLiveHours: 1 },
      owner: world.owner.identity.projectId ?? '',
      input: { loc_url: 'https://***@host.example/disk.raw' },
    });
    const shown = async (id: string) => {
      const tasks = await world.registry.listImageTasks(id, world.owner);
      return tasks.map(({ status, message, result }) => ({ status, message, result }));
    };
    const withTask = async (overrides: Partial<RegisterLocation> = {}): Promise<string> => {
      const { id } = await world.create();
      await register(id, { task: newTask(), ...overrides });
      return id;
    };

    it('show how it goes, from the promise to the location', async () => {
      const task = newTask();
      const id = await withTask({ task });
      const [pending] = await world.registry.listImageTasks(id, world.owner);
      const { taskId, timeToLiveHours: _, ...rest } = task;
      expect(pending).toMatchObject({ id: taskId, ...rest, type: 'location_import', imageId: id });
      expect(pending).toMatchObject({ status: 'pending', expiresAt: null });
      const { lease } = await claimed(id);
      expect(await shown(id)).toEqual([{ status: 'processing', message: '', result: null }]);
      const commit = world.commitRequest({ location: { url: URL, metadata: {} } });
      await world.registry.commitUpload(id, lease.uploadId, commit, world.admin);
      expect(await shown(id)).toEqual([
        { status: 'success', message: '', result: { image_id: id } },
      ]);
    });

    it('say why there is no location once that is settled', async () => {
      const attempt = async (id: string, copy: 'failed' | 'handed_back' | 'failed_for_good') => {
        const { lease } = await claimed(id);
        const how = { reason: 'x', locationUrl: null, copy, message: 'It is not there.' };
        await world.registry.abandonUpload(id, lease.uploadId, how, world.admin);
        return await shown(id);
      };
      const open = [{ status: 'processing', message: '', result: null }];
      expect(await attempt(await withTask(), 'failed')).toEqual(open);
      const id = await withTask();
      expect(await attempt(id, 'handed_back')).toEqual(open);
      expect(await attempt(id, 'failed_for_good')).toEqual([
        { status: 'failure', message: 'It is not there.', result: null },
      ]);
    });

    it('fail with the process that dies in the last attempt, and go on after another', async () => {
      const [last, other] = [await withTask(), await withTask()];
      await claimed(last, { maxAttempts: 1 });
      await claimed(other, { maxAttempts: 2 });
      await world.underTest.expireLeases();
      expect(await shown(last)).toMatchObject([{ status: 'failure' }]);
      expect(await shown(other)).toMatchObject([{ status: 'processing' }]);
    });

    it.each<[string, (id: string) => Promise<unknown>, string]>([
      ['the image is deleted', (id) => world.remove(id), 'The image was deleted'],
      [
        'an upload begins',
        (id) => world.registry.beginUpload(id, world.uploadRequest(), world.owner),
        'The image got its data otherwise',
      ],
      [
        'a location is added without a check',
        (id) => {
          const location = { url: URL, metadata: {}, sizeBytes: 7, storageQuotaBytes: null };
          return world.registry.updateImage(id, { location }, world.owner);
        },
        'The image got its data otherwise',
      ],
    ])('end when %s', async (_when, act, message) => {
      const id = await withTask();
      await act(id);
      // Whoever deleted the image is not shown its tasks by it.
      const [task] = await world.registry.listImageTasks(id, world.admin);
      expect(task).toMatchObject({ status: 'failure', message });
    });

    it('have ended where nothing was to be read', async () => {
      const { id } = await world.create();
      const task = newTask();
      const location = { url: URL, metadata: {}, sizeBytes: 7, storageQuotaBytes: null, task };
      await world.registry.updateImage(id, { location }, world.owner);
      expect(await shown(id)).toEqual([
        { status: 'success', message: '', result: { image_id: id } },
      ]);
      const other = await world.create();
      const again = world.registry.updateImage(other.id, { location }, world.owner);
      await expectRefusal(again, 'conflict');
      expect(await imageOf(other.id)).toMatchObject({ status: 'queued', locations: [] });
    });
  });

  describe('hashes found afterwards', () => {
    const located = async (overrides: Partial<ExternalLocation> = {}): Promise<string> => {
      const location = { url: URL, metadata: {}, sizeBytes: 7, storageQuotaBytes: null };
      const request = { image: {}, location: { ...location, ...overrides } };
      return (await world.registry.createImage(request, world.owner)).image.id;
    };
    const record = (id: string, overrides: Partial<RecordHashes> = {}, caller = world.admin) =>
      world.registry.recordHashes(
        id,
        { locationUrl: URL, sizeBytes: 7, checksum: '0'.repeat(32), hash: HASH, ...overrides },
        caller,
      );

    it('are recorded once', async () => {
      const id = await located();
      expect(await record(id)).toBe(true);
      const known = { checksum: '0'.repeat(32), hashAlgorithm: 'sha256', hashValue: HASH.value };
      expect(await imageOf(id)).toMatchObject(known);
      expect(await record(id, { checksum: '1'.repeat(32) })).toBe(false);
      expect(await imageOf(id)).toMatchObject(known);
    });

    it.each([{ locationUrl: 'https://host.example/other' }, { sizeBytes: 8 }])(
      'are not those of other data: %j',
      async (other) => {
        const id = await located();
        expect(await record(id, other)).toBe(false);
        expect(await imageOf(id)).toMatchObject({ checksum: null, hashValue: null });
      },
    );

    it('are not recorded beside what the caller said', async () => {
      const id = await located({ hash: HASH });
      expect(await imageOf(id)).toMatchObject({ checksum: null, hashValue: HASH.value });
      expect(await record(id)).toBe(false);
    });

    it('are nothing to images that are not active', async () => {
      const id = await located();
      await world.remove(id);
      expect(await record(id)).toBe(false);
      expect(await record((await world.create()).id)).toBe(false);
      expect(await record(randomUUID())).toBe(false);
    });

    it('are recorded by the service alone', async () => {
      await expectRefusal(record(await located(), {}, world.owner), 'forbidden');
    });
  });
}
