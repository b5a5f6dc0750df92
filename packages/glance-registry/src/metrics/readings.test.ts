import { Metrics, silentLogger } from '@glance/service-kit';
import { executeSql, sql, sqlText } from '../db/sql';
import { ADMIN, RegistryWorld, aCommit, anUpload, memberOf } from '../testing/registry-world';
import { describeEachDatabase } from '../testing/test-databases';
import { describeDatabase } from './describe-database';
import { describeImages } from './describe-images';
import { countImages, readImages } from './image-readings';
import { readTables } from './table-readings';

const ME = memberOf('watched-project');

describeEachDatabase('what a scrape reads', (current) => {
  let world: RegistryWorld;

  beforeAll(() => {
    world = new RegistryWorld(current().database);
  });

  const tables = () => readTables(world.database.knex, world.database.dialect);
  const queue = async (name: string) => (await tables()).queues.find((each) => each.name === name);
  const age = async (table: string, seconds: number): Promise<void> => {
    const { knex, dialect } = world.database;
    const before = dialect.secondsFromNow(-seconds);
    await executeSql(knex, sql`UPDATE ${sqlText(table)} SET created_at = ${before}`);
  };

  it('is nothing where nothing waits, runs or is stored', async () => {
    const { queues, leases, storedBytes, reservedBytes } = await tables();
    expect(queues.map(({ name }) => name)).toEqual([
      'deletions',
      'delayed_deletions',
      'removals',
      'copies',
      'imports',
      'staged',
      'outbox',
    ]);
    expect(queues.filter(({ length, oldestSeconds }) => length + oldestSeconds > 0)).toEqual([]);
    expect({ leases, storedBytes, reservedBytes }).toEqual({
      leases: [],
      storedBytes: 0,
      reservedBytes: 0,
    });
  });

  it('tells uploads that run from those whose time is over', async () => {
    const { id } = await world.create({}, ME);
    const upload = anUpload({ expectedSizeBytes: 7 });
    await world.uploads.begin(id, upload, ME, {});
    const before = await tables();
    expect(before.leases).toEqual([{ kind: 'upload', state: 'live', leases: 1 }]);
    expect(before.reservedBytes).toBe(7);
    await world.letLeasesRunOut();
    expect((await tables()).leases).toEqual([{ kind: 'upload', state: 'overdue', leases: 1 }]);
    await world.uploads.abandon(id, upload.uploadId, { reason: 'test', locationUrl: null }, ME, {});
    expect((await tables()).leases).toEqual([]);
  });

  it('knows what the images take, and for how long announcements and deletions wait', async () => {
    const { id } = await world.createActive({}, { sizeBytes: 5 }, ME);
    expect((await tables()).storedBytes).toBe(5);
    await age('registry_outbox', 1000);
    const outbox = await queue('outbox');
    expect(outbox!.length).toBeGreaterThan(0);
    expect(outbox!.oldestSeconds).toBeGreaterThanOrEqual(1000);
    expect(outbox!.oldestSeconds).toBeLessThan(1100);
    await executeSql(
      world.database.knex,
      sql`UPDATE registry_outbox SET delivered_at = created_at`,
    );
    expect(await queue('outbox')).toMatchObject({ length: 0, oldestSeconds: 0 });

    await world.deletions.begin(id, { delayed: false }, ME, {});
    await age('registry_deletions', 50);
    const deletions = await queue('deletions');
    expect(deletions!.length).toBe(1);
    expect(deletions!.oldestSeconds).toBeGreaterThanOrEqual(50);
    expect(await queue('delayed_deletions')).toMatchObject({ length: 0 });
  });

  it('counts images that are neither deleted nor hidden', async () => {
    const { knex, dialect } = world.database;
    const before = (await countImages(knex, dialect)).get('shared') ?? 0;
    const { id } = await world.createActive({ name: 'seen', visibility: 'public' });
    await world.create({ hidden: true });
    const counts = await countImages(knex, dialect);
    expect(counts.get('public')).toBe(1);
    expect(counts.get('shared') ?? 0).toBe(before);
    const [newest] = (await readImages(knex)).filter((image) => image.id === id);
    expect(newest).toMatchObject({
      name: 'seen',
      owner: ADMIN.projectId,
      visibility: 'public',
      status: 'active',
      sizeBytes: aCommit().sizeBytes,
    });
    expect(Math.abs(Date.now() / 1000 - newest!.createdAtSeconds)).toBeLessThan(120);
  });

  it('times statements, those in transactions and those that fail too', async () => {
    const metrics = new Metrics('glance_registry');
    describeDatabase(metrics, world.database);
    const count = async (name: string, statement: string): Promise<number> => {
      const all = await metrics.process.values();
      const series = all.find((each) => each.name === `glance_registry_${name}`);
      const values = series?.values as unknown as {
        value: number;
        metricName?: string;
        labels: { statement: string };
      }[];
      return values
        .filter(({ labels, metricName }) => {
          return labels.statement === statement && metricName?.endsWith('_count') !== false;
        })
        .reduce((sum, { value }) => sum + value, 0);
    };
    await world.create({}, ME);
    for (const statement of ['select', 'insert', 'commit']) {
      expect(await count('sql_duration_seconds', statement)).toBeGreaterThan(0);
    }
    expect(await count('sql_failures_total', 'select')).toBe(0);
    await expect(world.database.knex.raw('SELECT nothing FROM nowhere')).rejects.toThrow();
    expect(await count('sql_failures_total', 'select')).toBe(1);
  });

  it('goes on without a database, and says so', async () => {
    const gone = current().another();
    const metrics = new Metrics('glance_registry');
    const lost = new RegistryWorld(gone);
    describeImages(metrics, lost.transactions, { perImage: true, logger: silentLogger });
    await gone.close();
    const text = await metrics.service.registry.metrics();
    expect(text).toContain('\nopenstack_glance_up 0\n');
    expect(text).not.toMatch(/^openstack_glance_images /m);
  });
});
