import { randomUUID } from 'node:crypto';
import { beforeEach, describe, expect, it } from '@jest/globals';
import type { BeginImport } from '@glance/common';
import { expectRefusal, type ContractWorld, type NewWorld } from './contract-world';
import { ImportWorld } from './import-world';

/** Imports that fail, die or are deleted, and their tasks (tasks sheet §1, §7; reliability sheet §4). */
export function importEndCases(newWorld: NewWorld): void {
  let world: ContractWorld;
  let imports: ImportWorld;

  beforeEach(() => {
    world = newWorld();
    imports = new ImportWorld(world);
  });

  const taskIdOf = async (imageId: string): Promise<{ taskId: string }> => ({
    taskId: (await imports.taskOf(imageId)).id,
  });

  it('leave an image queued that got nothing, with the reason in the task', async () => {
    const id = await imports.begun(['one']);
    await imports.fail(id, 'The source does not answer');
    const image = await imports.imageOf(id);
    expect(image).toMatchObject({ status: 'queued', sizeBytes: null, locations: [] });
    expect(await imports.taskOf(id)).toMatchObject({
      status: 'failure',
      message: 'The source does not answer',
      result: null,
    });
    expect(await imports.progressOf(id)).toEqual({
      os_glance_importing_to_stores: '',
      os_glance_failed_import: 'one',
    });
    const again = await imports.begin(id);
    expect(again.status).toBe('pending');
    expect(await imports.progressOf(id)).toMatchObject({ os_glance_failed_import: '' });
  });

  it('take back what other stores got when all must succeed', async () => {
    const id = await imports.begun(['one', 'two', 'three']);
    const url = `file:///images/${id}`;
    await imports.fill(id, { location: { url, metadata: { store: 'one' } } });
    await imports.fail(id);
    const image = await imports.imageOf(id);
    expect(image).toMatchObject({ status: 'queued', sizeBytes: null, checksum: null });
    expect(image).toMatchObject({ hashAlgorithm: null, hashValue: null, locations: [] });
    expect(await imports.progressOf(id)).toMatchObject({ os_glance_failed_import: 'two' });
    const removals = await world.registry.listRemovals({ imageId: id, limit: 10 }, world.admin);
    expect(removals.map(({ location }) => location.url)).toEqual([url]);
    const { location } = removals[0]!;
    const end = (outcome: 'gone' | 'refused') =>
      world.registry.endRemoval(id, location.id, { outcome }, world.admin);
    expect(await end('refused')).toBe(false);
    expect((await imports.imageOf(id)).locations).toEqual([]);
    expect(await end('gone')).toBe(true);
  });

  it('write what they learned of the image with its data, and take it back when they fail', async () => {
    const id = await imports.begun(['one', 'two'], { properties: [['site', 'north']] });
    await imports.fill(id, {
      learned: {
        diskFormat: 'qcow2',
        containerFormat: 'ovf',
        properties: [
          ['os_type', 'linux'],
          ['site', 'south'],
        ],
      },
    });
    const learned = await imports.imageOf(id);
    expect(learned).toMatchObject({ diskFormat: 'qcow2', containerFormat: 'ovf' });
    expect(Object.fromEntries(learned.properties)).toMatchObject({
      os_type: 'linux',
      site: 'south',
    });
    await imports.fail(id);
    const image = await imports.imageOf(id);
    expect(image).toMatchObject({ status: 'queued', diskFormat: 'raw', containerFormat: 'bare' });
    const properties = Object.fromEntries(image.properties);
    expect(properties).toMatchObject({ site: 'north' });
    expect(properties).not.toHaveProperty('os_type');
  });

  it('make the image that they fill, and delete it when they come to nothing', async () => {
    const made = async (): Promise<string> => {
      const wanted = { taskType: 'import', deletesImage: true } as const;
      const { image } = await world.registry.createImage(
        {
          image: { diskFormat: 'raw', containerFormat: 'bare' },
          import: world.importRequest({ ...wanted, storeIds: ['one', 'two'] }),
        },
        world.owner,
      );
      expect(image).toMatchObject({ status: 'importing' });
      expect(await imports.taskOf(image.id)).toMatchObject({ type: 'import', status: 'pending' });
      return image.id;
    };
    const id = await made();
    await imports.fill(id);
    expect(await imports.fill(id)).toMatchObject({ status: 'active' });

    const failing = await made();
    const { taskId } = await taskIdOf(failing);
    const url = `file:///images/${failing}`;
    await imports.fill(failing, { location: { url, metadata: { store: 'one' } } });
    await imports.fail(failing, 'The store is full');
    await expectRefusal(imports.imageOf(failing), 'image_not_found');
    const task = await world.registry.getTask(taskId, world.admin);
    expect(task).toMatchObject({ status: 'failure', message: 'The store is full' });
    const removals = await world.registry.listRemovals({ imageId: failing, limit: 9 }, world.admin);
    expect(removals.map(({ location }) => location.url)).toEqual([url]);
  });

  it('take the data of another image', async () => {
    const source = await world.createActive();
    const { id } = await imports.image();
    await imports.begin(id, {
      method: 'clone',
      sourceImageId: source.id,
      storeIds: ['one', 'two'],
    });
    const claimed = await imports.claimed(id);
    expect(claimed).toMatchObject({ source: 'clone', sourceImageId: source.id });
    const { uploadId } = claimed.lease;
    await world.registry.commitUpload(id, uploadId, world.commitRequest(), world.admin);
    expect(await imports.claimed(id)).toMatchObject({ source: 'image', sourceImageId: null });
  });

  it('leave an image as it is that they export, and say where to', async () => {
    const { id } = await world.createActive();
    const before = await imports.imageOf(id);
    const heldBy = { id: randomUUID(), node: 'exporter:1' };
    const wanted: Partial<BeginImport> = {
      ...{ method: 'export', taskType: 'export', heldBy, storeIds: ['exports'] },
    };
    await imports.begin(id, wanted);
    expect(await imports.claim(id)).toBeNull();
    const { lease, source } = await imports.claimed(id, { holderIds: [heldBy.id] });
    expect(source).toBe('image');
    const url = `file:///exports/${id}`;
    const commit = world.commitRequest({ location: { url, metadata: {} } });
    await world.registry.commitUpload(id, lease.uploadId, commit, world.admin);
    expect(await imports.taskOf(id)).toMatchObject({
      type: 'export',
      status: 'success',
      result: { image_id: id, location: url, size: commit.sizeBytes, checksum: commit.checksum },
    });
    const { updatedAt: _, ...after } = await imports.imageOf(id);
    expect(before).toMatchObject(after);
    await imports.begin(id, wanted);
    await world.registry.beginDeletion(id, { delayed: false }, world.owner);
    const tasks = await world.registry.listTasks(
      { sortKey: 'created_at', sortDirection: 'asc', limit: 10, type: 'export' },
      world.owner,
    );
    expect(tasks.map(({ status }) => status)).toContain('failure');
  });

  it('learn nothing from further stores', async () => {
    const id = await imports.begun(['one', 'two']);
    await imports.fill(id);
    const image = await imports.fill(id, { learned: { diskFormat: 'qcow2' } });
    expect(image).toMatchObject({ status: 'active', diskFormat: 'raw' });
  });

  it('never take back what the image had before', async () => {
    const { id } = await world.createActive();
    await imports.begin(id, { method: 'copy-image', storeIds: ['two', 'three'] });
    await imports.fill(id);
    await imports.fail(id);
    const image = await imports.imageOf(id);
    expect(image).toMatchObject({ status: 'active', sizeBytes: 5 });
    expect(image.locations).toHaveLength(1);
    expect(await imports.taskOf(id)).toMatchObject({ status: 'failure' });
  });

  it('go on past a store that fails when not all must succeed', async () => {
    const id = await imports.begun(['one', 'two'], { allStoresMustSucceed: false });
    await imports.fail(id);
    expect(await imports.imageOf(id)).toMatchObject({ status: 'importing' });
    expect((await imports.claimed(id)).source).toBe('url');
    await world.underTest.expireLeases();
    expect(await imports.fill(id)).toMatchObject({ status: 'active' });
    expect(await imports.taskOf(id)).toMatchObject({ status: 'success' });
    expect(await imports.progressOf(id)).toMatchObject({ os_glance_failed_import: 'one' });
  });

  it('fail when every store has failed', async () => {
    const id = await imports.begun(['one', 'two'], { allStoresMustSucceed: false });
    await imports.fail(id);
    await imports.fail(id);
    expect(await imports.imageOf(id)).toMatchObject({ status: 'queued' });
    expect(await imports.taskOf(id)).toMatchObject({ status: 'failure' });
  });

  it('are taken over from a process that died, but not for ever', async () => {
    const id = await imports.begun(['one']);
    for (let attempt = 1; attempt <= 3; attempt += 1) {
      const claimed = await imports.claimed(id);
      expect(claimed.attempt).toBe(attempt);
      expect(await imports.claim(id)).toBeNull();
      await world.underTest.expireLeases();
    }
    expect(await imports.claim(id)).toBeNull();
    expect(await imports.imageOf(id)).toMatchObject({ status: 'queued' });
    const { status, message } = await imports.taskOf(id);
    expect(status).toBe('failure');
    expect(message).toContain('3 times');
  });

  it('go on at once when they are handed back, which is no attempt', async () => {
    const id = await imports.begun(['one']);
    for (let turn = 0; turn < 4; turn += 1) {
      const { lease, attempt } = await imports.claimed(id);
      expect(attempt).toBe(1);
      await imports.end(id, lease.uploadId, 'handed_back');
    }
    expect(await imports.imageOf(id)).toMatchObject({ status: 'importing' });
  });

  it('fence a process that comes back after its lease', async () => {
    const id = await imports.begun(['one']);
    const { lease } = await imports.claimed(id);
    await world.underTest.expireLeases();
    const commit = world.commitRequest();
    await expectRefusal(
      world.registry.commitUpload(id, lease.uploadId, commit, world.admin),
      'upload_fenced',
    );
    expect(await imports.fill(id)).toMatchObject({ status: 'active' });
  });

  it('end with the deletion of their image, its data with them', async () => {
    const id = await imports.begun(['one', 'two']);
    await imports.fill(id);
    const { lease } = await imports.claimed(id);
    const plan = await world.registry.beginDeletion(id, { delayed: false }, world.owner);
    expect(plan.image.status).toBe('pending_delete');
    expect(plan.locations).toHaveLength(1);
    const beat = world.registry.heartbeat(id, lease.uploadId, { bytesReceived: 1 }, world.admin);
    await expectRefusal(beat, 'upload_fenced', 'image_deleted');
    await world.registry.finishDeletion(id, world.owner);
    const [task] = await world.registry.listImageTasks(id, world.owner);
    expect(task).toMatchObject({ status: 'failure', message: 'The image was deleted' });
  });

  it('leave staged data to nobody when its image is deleted', async () => {
    const { id } = await imports.image();
    const uploadId = await world.begin(id, { stage: true });
    await world.registry.commitStaging(id, uploadId, world.stagedData(), world.owner);
    await world.remove(id);
    expect((await world.registry.getUpload(id, uploadId, world.admin)).state).toBe('abandoned');
  });

  describe('tasks', () => {
    const list = (overrides: object = {}, caller = world.owner) =>
      world.registry.listTasks(
        { sortKey: 'created_at', sortDirection: 'desc', limit: 100, ...overrides },
        caller,
      );

    it('are seen by their owner and by admins alone', async () => {
      const id = await imports.begun(['one']);
      const task = await imports.taskOf(id);
      expect((await list()).map((each) => each.id)).toEqual([task.id]);
      expect(await list({}, world.stranger)).toEqual([]);
      expect(await list({}, world.projectless)).toEqual([]);
      expect(await world.registry.listImageTasks(id, world.stranger)).toEqual([]);
      expect(await world.registry.listImageTasks(id, world.admin)).toHaveLength(1);
      expect((await list({ limit: 10_000 }, world.admin)).map((each) => each.id)).toContain(
        task.id,
      );
      await expectRefusal(world.registry.getTask(task.id, world.stranger), 'not_found');
    });

    it('are filtered, ordered and paged', async () => {
      const ids: string[] = [];
      for (let count = 0; count < 5; count += 1) {
        ids.push((await imports.taskOf(await imports.begun(['one']))).id);
      }
      await imports.fail((await world.registry.getTask(ids[0]!, world.owner)).imageId!);
      expect((await list({ status: 'failure' })).map((each) => each.id)).toEqual([ids[0]]);
      expect(await list({ type: 'import' })).toEqual([]);
      for (const sortKey of ['id', 'created_at', 'expires_at', 'status'] as const) {
        const all = (await list({ sortKey })).map((each) => each.id);
        expect([...all].sort()).toEqual([...ids].sort());
        const paged: string[] = [];
        for (;;) {
          const marker = paged.at(-1);
          const page = await list({ sortKey, limit: 2, ...(marker ? { marker } : {}) });
          if (page.length === 0) break;
          paged.push(...page.map((each) => each.id));
        }
        expect(paged).toEqual(all);
      }
      await expectRefusal(list({ marker: ids[0] }, world.stranger), 'invalid_request');
    });
  });
}
