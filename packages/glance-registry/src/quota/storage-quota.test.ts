import { selectRow, sql } from '../db/sql';
import {
  ADMIN,
  RegistryWorld,
  aCommit,
  anUpload,
  memberOf,
  outcomesOf,
} from '../testing/registry-world';
import { describeEachDatabase } from '../testing/test-databases';
import { UsageRepository } from './usage-repository';

describeEachDatabase('the storage quota', (current) => {
  let world: RegistryWorld;

  beforeAll(() => {
    world = new RegistryWorld(current().database);
  });

  /** What the tables hold is what the counters say (reliability sheet P9). */
  async function expectExact(owner: string, bytes: number, reserved = 0): Promise<void> {
    const { knex, dialect } = world.database;
    expect(await world.usageOf(owner)).toEqual({ usedBytes: bytes, reservedBytes: reserved });
    expect(await new UsageRepository(knex, dialect).sumStored(owner)).toBe(bytes);
    const leases = await selectRow<{ bytes: number | string | null }>(
      knex,
      sql`SELECT SUM(reserved_bytes) AS bytes FROM registry_leases WHERE owner = ${owner}`,
    );
    expect(Number(leases?.bytes ?? 0)).toBe(reserved);
  }

  it('is not overshot by 20 uploads at once', async () => {
    const owner = memberOf('crowded-project');
    const other = new RegistryWorld(current().another());
    const upload = { expectedSizeBytes: 100, storageQuotaBytes: 750 };
    const outcomes = await outcomesOf(
      Array.from({ length: 20 }, async (_, index) => {
        const { images, uploads } = index % 2 === 0 ? world : other;
        const { image } = await images.create({ image: {} }, owner, {});
        const begun = anUpload(upload);
        await uploads.begin(image.id, begun, owner, {});
        await uploads.commit(image.id, begun.uploadId, aCommit({ sizeBytes: 100 }), owner, {});
      }),
    );
    expect(outcomes.filter((outcome) => outcome === 'done')).toHaveLength(7);
    expect(outcomes.filter((outcome) => outcome === 'quota_exceeded')).toHaveLength(13);
    await expectExact('crowded-project', 700);
  }, 30_000);

  it('is not overshot by uploads of unknown size that grow', async () => {
    const owner = memberOf('growing-project');
    const uploads: [string, string][] = [];
    for (let index = 0; index < 5; index += 1) {
      const { id } = await world.create({}, owner);
      uploads.push([id, await world.begin(id, { storageQuotaBytes: 1000 }, owner)]);
    }
    const grow = (reserveBytes: number) =>
      outcomesOf(
        uploads.map(([id, uploadId]) =>
          world.uploads.heartbeat(
            id,
            uploadId,
            { bytesReceived: reserveBytes, reserveBytes },
            owner,
            {},
          ),
        ),
      );
    expect(new Set(await grow(200))).toEqual(new Set(['done']));
    expect(new Set(await grow(201))).toEqual(new Set(['quota_exceeded']));
    // A smaller wish never takes back what was promised.
    expect(new Set(await grow(10))).toEqual(new Set(['done']));
    await expectExact('growing-project', 0, 1000);
  });

  it('counts at the commit what really came', async () => {
    const owner = memberOf('surprising-project');
    const { id } = await world.create({}, owner);
    const upload = { expectedSizeBytes: 10, storageQuotaBytes: 100 };
    const uploadId = await world.begin(id, upload, owner);
    const commit = (sizeBytes: number) =>
      world.uploads.commit(id, uploadId, aCommit({ sizeBytes }), owner, {});
    await expect(commit(101)).rejects.toMatchObject({
      code: 'quota_exceeded',
      details: { limitBytes: 100, usedBytes: 0, requestedBytes: 101 },
    });
    await commit(100);
    await expectExact('surprising-project', 100);
  });

  it('starts from what an adopted database holds', async () => {
    const owner = memberOf('adopted-project');
    const { id } = await world.createActive({}, { sizeBytes: 60 }, owner);
    await world.database.knex('registry_quota_usage').where({ owner: 'adopted-project' }).delete();
    const next = await world.create({}, owner);
    const upload = (expectedSizeBytes: number) =>
      anUpload({ expectedSizeBytes, storageQuotaBytes: 100 });
    await expect(world.uploads.begin(next.id, upload(41), owner, {})).rejects.toMatchObject({
      code: 'quota_exceeded',
    });
    await world.uploads.begin(next.id, upload(40), owner, {});
    await expectExact('adopted-project', 60, 40);
    await world.deletions.begin(id, { delayed: false }, owner, {});
    // The bytes are still there.
    await expectExact('adopted-project', 60, 40);
    await world.deletions.finish(id, owner, {});
    await world.deletions.finish(id, owner, {});
    await expectExact('adopted-project', 0, 40);
  });

  it('is counted without a limit as well', async () => {
    await world.createActive({}, { sizeBytes: 5 }, memberOf('unlimited-project'));
    await expectExact('unlimited-project', 5);
  });

  it('goes with an image to its new owner', async () => {
    const { id } = await world.createActive({ owner: 'giving-project' }, { sizeBytes: 30 });
    await world.images.update(id, { fields: { owner: 'taking-project' } }, ADMIN, {});
    await expectExact('giving-project', 0);
    await expectExact('taking-project', 30);
  });

  it('does not limit an image without owner', async () => {
    const { id } = await world.create({ owner: null });
    const upload = { expectedSizeBytes: 10, storageQuotaBytes: 1 };
    const uploadId = await world.begin(id, upload);
    const image = await world.uploads.commit(id, uploadId, aCommit(), ADMIN, {});
    expect(image.status).toBe('active');
  });
});
