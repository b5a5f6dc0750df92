import { randomUUID } from 'node:crypto';
import { IMPORT_PROPERTIES, type BeginImport, type ImageRecord } from '@glance/common';
import { silentLogger } from '@glance/service-kit';
import { Sweeper } from '../sweeper';
import { TaskService } from '../tasks/task-service';
import { ADMIN, RegistryWorld, aCommit } from '../testing/registry-world';
import { describeEachDatabase } from '../testing/test-databases';
import { ImportService } from './import-service';

const LONG_AGO = '2000-01-01 00:00:00';
const OWNER = 'import-project';

describeEachDatabase('imports that nobody goes on with', (current) => {
  let world: RegistryWorld;
  let imports: ImportService;
  let tasks: TaskService;

  beforeEach(() => {
    world = new RegistryWorld(current().database);
    imports = new ImportService(world.transactions);
    tasks = new TaskService(world.transactions);
  });

  const sweep = () => new Sweeper(world.transactions, silentLogger, 1000).sweep();
  const request = (overrides: Partial<BeginImport> = {}): BeginImport => ({
    taskId: randomUUID(),
    owner: OWNER,
    userId: null,
    requestId: null,
    input: {},
    timeToLiveHours: 48,
    method: 'web-download',
    sourceUrl: 'https://host.example/disk',
    storeIds: ['one', 'two'],
    storesAreNamed: true,
    allStoresMustSucceed: true,
    ...overrides,
  });
  const image = () => world.create({ owner: OWNER });
  const imageOf = (id: string): Promise<ImageRecord> => world.images.get(id, ADMIN, {});
  const taskOf = async (id: string) => (await tasks.listOf(id, ADMIN, {}))[0]!;
  const claim = (imageId: string, stagingAreaId: string | null = null) =>
    imports.claim(
      {
        imageId,
        stagingAreaId,
        uploadId: randomUUID(),
        node: 'test:1',
        storageQuotaBytes: null,
        maxAttempts: 3,
      },
      ADMIN,
      {},
    );

  async function staged(areaId: string): Promise<string> {
    const { id } = await image();
    const uploadId = await world.begin(id, { stage: true });
    const { sizeBytes, checksum, hashAlgorithm, hashValue } = aCommit();
    const data = { sizeBytes, checksum, hashAlgorithm, hashValue };
    const staging = { ...data, areaId, node: 'lost-node:7', url: 'file:///staging/x' };
    await world.uploads.stage(id, uploadId, staging, ADMIN, {});
    const { sourceUrl: _url, ...direct } = request({ method: 'glance-direct' });
    await imports.begin(id, direct, ADMIN, {});
    return id;
  }

  it('fail once their staging area was not heard of for two minutes', async () => {
    const { knex } = current().database;
    const areaId = randomUUID();
    const id = await staged(areaId);
    await knex('registry_imports').update({ created_at: LONG_AGO });
    await sweep();
    expect((await imageOf(id)).status).toBe('importing');
    await knex('registry_staging_areas').where({ area_id: areaId }).update({ seen_at: LONG_AGO });
    await sweep();
    expect(await imageOf(id)).toMatchObject({ status: 'queued', sizeBytes: null });
    const { status, message } = await taskOf(id);
    expect(status).toBe('failure');
    expect(message).toContain('lost-node:7');
    expect(await knex('registry_staged')).toEqual([]);
  });

  it('wait as long as somebody reads their staging area', async () => {
    const { knex } = current().database;
    const areaId = randomUUID();
    const id = await staged(areaId);
    const created = { created_at: LONG_AGO };
    await knex('registry_imports').where({ image_id: id }).update(created);
    await knex('registry_staging_areas').where({ area_id: areaId }).update({ seen_at: LONG_AGO });
    const search = { uploadId: randomUUID(), node: 'other:1', storageQuotaBytes: null };
    const other = await imports.claim(
      { ...search, stagingAreaId: areaId, maxAttempts: 3 },
      ADMIN,
      {},
    );
    expect(other?.image.id).toBe(id);
    await world.uploads.abandon(
      id,
      search.uploadId,
      { reason: 'stop', locationUrl: null, copy: 'handed_back' },
      ADMIN,
      {},
    );
    await sweep();
    expect((await imageOf(id)).status).toBe('importing');
  });

  it('give back what they took of the quota', async () => {
    const measured = async () =>
      await world.transactions.read({}, ({ usage }) => usage.measure(OWNER));
    const { id } = await image();
    await imports.begin(id, request(), ADMIN, {});
    const first = (await claim(id))!;
    const beat = { bytesReceived: 3, reserveBytes: 50 };
    await world.uploads.heartbeat(id, first.lease.uploadId, beat, ADMIN, {});
    await world.uploads.commit(id, first.lease.uploadId, aCommit({ sizeBytes: 70 }), ADMIN, {});
    expect(await world.usageOf(OWNER)).toEqual({ usedBytes: 70, reservedBytes: 0 });
    expect(await world.usageOf(OWNER)).toEqual(await measured());
    const second = (await claim(id))!;
    await world.uploads.heartbeat(id, second.lease.uploadId, beat, ADMIN, {});
    const failure = { reason: 'full', locationUrl: null, copy: 'failed' } as const;
    await world.uploads.abandon(id, second.lease.uploadId, failure, ADMIN, {});
    expect(await world.usageOf(OWNER)).toEqual({ usedBytes: 0, reservedBytes: 0 });
    expect(await world.usageOf(OWNER)).toEqual(await measured());
  });

  describe('of an upstream that ran on the database before', () => {
    async function locked(updatedAt: string | null, status = 'processing'): Promise<string> {
      const { knex, dialect } = current().database;
      const { id } = await image();
      const taskId = randomUUID();
      if (updatedAt !== null) {
        const at = updatedAt === 'now' ? knex.raw(dialect.now.text) : updatedAt;
        await knex('tasks').insert({
          id: taskId,
          type: 'api_image_import',
          status,
          owner: OWNER,
          created_at: at,
          updated_at: at,
          deleted: 0,
          image_id: id,
        });
        await knex('task_info').insert({ task_id: taskId, input: '{}', message: '' });
      }
      await world.transactions.write({}, ({ properties }) =>
        properties.upsert(id, [[IMPORT_PROPERTIES.task, taskId]]),
      );
      return id;
    }

    it('are respected while they may still run', async () => {
      const id = await locked('now');
      await expect(imports.begin(id, request(), ADMIN, {})).rejects.toMatchObject({
        code: 'conflict',
      });
    });

    it.each([
      ['has no task', null, 'processing'],
      ['has not moved for an hour', LONG_AGO, 'processing'],
      ['has ended', 'now', 'success'],
    ])('make room when theirs %s', async (_name, updatedAt, status) => {
      const id = await locked(updatedAt, status);
      const { taskId } = await imports
        .begin(id, request(), ADMIN, {})
        .then((task) => ({ taskId: task.id }));
      const { properties } = await imageOf(id);
      expect(new Map(properties).get(IMPORT_PROPERTIES.task)).toBe(taskId);
      const others = (await tasks.listOf(id, ADMIN, {})).filter((task) => task.id !== taskId);
      expect(others.every((task) => task.status !== 'processing')).toBe(true);
    });
  });

  it('are forgotten as tasks when their time is over', async () => {
    const { knex } = current().database;
    const { id } = await image();
    const { id: taskId } = await imports.begin(id, request(), ADMIN, {});
    await world.deletions.begin(id, { delayed: false }, ADMIN, {});
    expect(await taskOf(id)).toMatchObject({ status: 'failure' });
    await knex('tasks').where({ id: taskId }).update({ expires_at: LONG_AGO });
    expect(await tasks.listOf(id, ADMIN, {})).toEqual([]);
    await sweep();
    expect(await knex('tasks').where({ id: taskId })).toMatchObject([{ deleted: 1 }]);
  });
});
