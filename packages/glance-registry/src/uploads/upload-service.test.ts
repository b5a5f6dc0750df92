import { randomUUID } from 'node:crypto';
import { silentLogger } from '@glance/service-kit';
import {
  ADMIN,
  RegistryWorld,
  aCommit,
  anUpload,
  memberOf,
  outcomesOf,
} from '../testing/registry-world';
import { describeEachDatabase } from '../testing/test-databases';
import { expireLeases } from './lease-sweeper';

const ME = memberOf('uploading-project');

describeEachDatabase('an upload', (current) => {
  let world: RegistryWorld;
  /** Another registry process on the same database. */
  let elsewhere: RegistryWorld;

  beforeAll(() => {
    world = new RegistryWorld(current().database);
    elsewhere = new RegistryWorld(current().another());
  });

  const statusOf = async (id: string): Promise<string> =>
    (await world.images.get(id, ADMIN, {})).status;
  const leaseRow = async (uploadId: string): Promise<Record<string, unknown>> =>
    (await world.database.knex('registry_leases').where({ upload_id: uploadId }).first()) as Record<
      string,
      unknown
    >;
  const sweep = (where = world): Promise<number> => expireLeases(where.transactions, silentLogger);
  const abandon = (id: string, uploadId: string, locationUrl: string | null = null) =>
    world.uploads.abandon(id, uploadId, { reason: 'test', locationUrl }, ME, {});

  it('has one winner when two begin at once', async () => {
    for (let round = 0; round < 5; round += 1) {
      const { id } = await world.create({}, ME);
      const outcomes = await outcomesOf([
        world.uploads.begin(id, anUpload(), ME, {}),
        elsewhere.uploads.begin(id, anUpload(), ME, {}),
        world.uploads.begin(id, anUpload(), ME, {}),
      ]);
      expect(outcomes.sort()).toEqual(['conflict', 'conflict', 'done']);
      const rows = await world.database.knex('registry_leases').where({ image_id: id });
      expect(rows).toHaveLength(1);
    }
  });

  it('cannot begin twice under one id', async () => {
    const uploadId = await world.begin((await world.create({}, ME)).id, {}, ME);
    const other = await world.create({}, ME);
    await expect(
      world.uploads.begin(other.id, anUpload({ uploadId }), ME, {}),
    ).rejects.toMatchObject({ code: 'conflict' });
    expect(await statusOf(other.id)).toBe('queued');
  });

  it('either commits before a deletion or finds the image deleted, never half', async () => {
    for (let round = 0; round < 8; round += 1) {
      const { id } = await world.create({}, ME);
      const uploadId = await world.begin(id, {}, ME);
      const [commit, deletion] = await outcomesOf([
        world.uploads.commit(id, uploadId, aCommit(), ME, {}),
        elsewhere.deletions.begin(id, { delayed: false }, ME, {}),
      ]);
      expect(deletion).toBe('done');
      const locations = (await world.database.knex('image_locations').where({ image_id: id })) as {
        status: string;
      }[];
      if (commit === 'done') {
        expect(await statusOf(id)).toBe('pending_delete');
        expect(locations.map(({ status }) => status)).toEqual(['pending_delete']);
      } else {
        expect(commit).toBe('image_deleted');
        expect(await statusOf(id)).toBe('deleted');
        expect(locations).toEqual([]);
        expect((await abandon(id, uploadId)).state).toBe('void');
      }
    }
  });

  it('is fenced once its time is over, swept or not', async () => {
    const { id } = await world.create({}, ME);
    const uploadId = await world.begin(id, {}, ME);
    await world.letLeasesRunOut();
    const calls = () =>
      outcomesOf([
        world.uploads.commit(id, uploadId, aCommit(), ME, {}),
        world.uploads.heartbeat(id, uploadId, { bytesReceived: 1 }, ME, {}),
      ]);
    expect(await calls()).toEqual(['upload_fenced', 'upload_fenced']);
    expect(await sweep()).toBeGreaterThanOrEqual(1);
    expect(await statusOf(id)).toBe('queued');
    expect(await calls()).toEqual(['upload_fenced', 'upload_fenced']);
    expect((await world.uploads.get(id, uploadId, ME, {})).state).toBe('expired');
    const next = await world.begin(id, {}, ME);
    expect(await calls()).toEqual(['upload_fenced', 'upload_fenced']);
    await world.uploads.commit(id, next, aCommit(), ME, {});
    expect((await abandon(id, uploadId)).state).toBe('expired');
    expect(await statusOf(id)).toBe('active');
  });

  it('is kept alive by heartbeats', async () => {
    const { id } = await world.create({}, ME);
    const uploadId = await world.begin(id, {}, ME);
    const soon = world.database.dialect.secondsFromNow(5).text;
    await world.database
      .knex('registry_leases')
      .where({ upload_id: uploadId })
      .update({ expires_at: world.database.knex.raw(soon) });
    const before = await leaseRow(uploadId);
    await world.uploads.heartbeat(id, uploadId, { bytesReceived: 7 }, ME, {});
    const after = await leaseRow(uploadId);
    expect(String(after['expires_at']) > String(before['expires_at'])).toBe(true);
    expect(after['bytes_received']).toBe(7);
    expect(await sweep()).toBe(0);
    await abandon(id, uploadId);
  });

  it('is ended by one of several sweepers', async () => {
    const created = [];
    for (let index = 0; index < 10; index += 1) {
      const { id } = await world.create({}, ME);
      await world.begin(id, { failureStatus: index % 2 === 0 ? 'killed' : 'queued' }, ME);
      created.push(id);
    }
    await world.letLeasesRunOut();
    const ended = await Promise.all([sweep(), sweep(elsewhere)]);
    // What one passes over because the other holds it, the next run ends.
    const rest = await sweep();
    expect(ended[0] + ended[1] + rest).toBe(10);
    for (const [index, id] of created.entries()) {
      expect(await statusOf(id)).toBe(index % 2 === 0 ? 'killed' : 'queued');
    }
  });

  it('leaves nothing behind when it is abandoned', async () => {
    const owner = memberOf('tidy-project');
    const { id } = await world.create({ sizeBytes: 100, virtualSizeBytes: 100 }, owner);
    const uploadId = await world.begin(
      id,
      { expectedSizeBytes: 100, storageQuotaBytes: 1000 },
      owner,
    );
    expect(await world.usageOf('tidy-project')).toEqual({ usedBytes: 0, reservedBytes: 100 });
    const request = { reason: 'test', locationUrl: 'file:///images/tidy' };
    for (let time = 0; time < 2; time += 1) {
      expect(await world.uploads.abandon(id, uploadId, request, owner, {})).toEqual({
        state: 'abandoned',
        imageStatus: 'queued',
        blobRemovable: true,
      });
    }
    expect(await world.usageOf('tidy-project')).toEqual({ usedBytes: 0, reservedBytes: 0 });
    expect(await leaseRow(uploadId)).toMatchObject({ state: 'abandoned', reserved_bytes: 0 });
    const image = await world.images.get(id, owner, {});
    expect(image).toMatchObject({ sizeBytes: null, virtualSizeBytes: null, locations: [] });
  });

  it('keeps its reservation after a deletion until the uploader notices or is given up', async () => {
    const owner = memberOf('deleting-project');
    const begin = async (): Promise<[string, string]> => {
      const { id } = await world.create({}, owner);
      const uploadId = await world.begin(id, { expectedSizeBytes: 50 }, owner);
      await world.deletions.begin(id, { delayed: false }, owner, {});
      return [id, uploadId];
    };
    const [first, firstUpload] = await begin();
    await begin();
    expect((await world.usageOf('deleting-project')).reservedBytes).toBe(100);
    const request = { reason: 'deleted', locationUrl: null };
    await world.uploads.abandon(first, firstUpload, request, owner, {});
    expect((await world.usageOf('deleting-project')).reservedBytes).toBe(50);
    await world.letLeasesRunOut();
    await sweep();
    expect((await world.usageOf('deleting-project')).reservedBytes).toBe(0);
    expect((await world.uploads.get(first, firstUpload, owner, {})).state).toBe('void');
  });

  it('gives its blob away only when nobody else may count on it', async () => {
    const { id } = await world.create({}, ME);
    const url = `file:///images/${id}`;
    const lost = await world.begin(id, {}, ME);
    await world.letLeasesRunOut();
    await sweep();
    const winner = await world.begin(id, {}, ME);
    // The other upload writes under the same name: hands off.
    expect((await abandon(id, lost, url)).blobRemovable).toBe(false);
    const location = { url, metadata: {} };
    await world.uploads.commit(id, winner, aCommit({ location }), ME, {});
    expect((await abandon(id, lost, url)).blobRemovable).toBe(false);
    expect((await abandon(id, lost, `${url}.other`)).blobRemovable).toBe(true);
    expect((await abandon(id, lost)).blobRemovable).toBe(false);
    expect((await abandon(id, winner, url)).state).toBe('committed');
    const other = await world.create({}, ME);
    const borrowed = await world.begin(other.id, {}, ME);
    // Another image may live on the same bytes.
    expect((await abandon(other.id, borrowed, url)).blobRemovable).toBe(false);
  });

  it('can be repeated after its commit, and not changed by that', async () => {
    const { id } = await world.create({}, ME);
    const uploadId = await world.begin(id, {}, ME);
    const first = await world.uploads.commit(id, uploadId, aCommit({ sizeBytes: 11 }), ME, {});
    const again = await world.uploads.commit(id, uploadId, aCommit({ sizeBytes: 12 }), ME, {});
    expect(again).toEqual(first);
    expect(first.locations).toHaveLength(1);
  });

  it('is known only under its own image', async () => {
    const { id } = await world.create({}, ME);
    const uploadId = await world.begin(id, {}, ME);
    const other = await world.create({}, ME);
    const calls = [
      world.uploads.get(other.id, uploadId, ME, {}),
      world.uploads.commit(other.id, uploadId, aCommit(), ME, {}),
      world.uploads.heartbeat(other.id, uploadId, { bytesReceived: 0 }, ME, {}),
      world.uploads.get(id, randomUUID(), ME, {}),
    ];
    expect(new Set(await outcomesOf(calls))).toEqual(new Set(['not_found']));
  });
});
