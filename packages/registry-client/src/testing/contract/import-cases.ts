import { randomUUID } from 'node:crypto';
import { beforeEach, expect, it } from '@jest/globals';
import { countWinners, expectRefusal, type ContractWorld, type NewWorld } from './contract-world';
import { ImportWorld } from './import-world';

/** Staging, and imports up to the data in their stores (tasks sheet §4–§7). */
export function importCases(newWorld: NewWorld): void {
  let world: ContractWorld;
  let imports: ImportWorld;

  beforeEach(() => {
    world = newWorld();
    imports = new ImportWorld(world);
  });

  it('wait with staged data, which has a size and no location', async () => {
    const id = await imports.staged({ sizeBytes: 7 });
    const image = await imports.imageOf(id);
    expect(image).toMatchObject({ status: 'uploading', sizeBytes: 7, locations: [] });
  });

  it('keep staged data when the lease that brought it is over', async () => {
    const { id } = await imports.image();
    const uploadId = await world.begin(id, { stage: true });
    const staged = world.stagedData();
    await world.registry.commitStaging(id, uploadId, staged, world.owner);
    await world.underTest.expireLeases();
    await world.registry.commitStaging(id, uploadId, staged, world.owner);
    const { state } = await world.registry.getUpload(id, uploadId, world.owner);
    expect(state).toBe('staged');
    expect(await imports.imageOf(id)).toMatchObject({ status: 'uploading' });
    const verdict = await world.registry.abandonUpload(
      id,
      uploadId,
      { reason: 'the answer was lost', locationUrl: staged.url },
      world.owner,
    );
    expect(verdict).toMatchObject({ state: 'staged', blobRemovable: false });
  });

  it('are carried out by the process alone that holds what they need, to the first store', async () => {
    const { id } = await imports.image();
    const heldBy = { id: randomUUID(), node: 'holder:1' };
    const certificate = '-----BEGIN CERTIFICATE-----';
    await imports.begin(id, {
      ...{ method: 'glance-download', heldBy, storeIds: ['one', 'two'], certificate },
    });
    expect(await imports.imageOf(id)).toMatchObject({ status: 'importing' });
    expect(await imports.claim(id)).toBeNull();
    expect(await imports.claim(id, { holderIds: [randomUUID()] })).toBeNull();
    const claimed = await imports.claimed(id, { holderIds: [heldBy.id] });
    expect(claimed).toMatchObject({ source: 'held', storeId: 'one', staged: null, certificate });
    const { uploadId } = claimed.lease;
    await world.registry.commitUpload(id, uploadId, world.commitRequest(), world.admin);
    expect(await imports.claimed(id)).toMatchObject({ source: 'image', storeId: 'two' });
  });

  it('leave an image queued whose staging fails', async () => {
    const { id } = await imports.image();
    const uploadId = await world.begin(id, { stage: true });
    expect(await imports.imageOf(id)).toMatchObject({ status: 'uploading' });
    await world.abandon(id, uploadId);
    expect(await imports.imageOf(id)).toMatchObject({ status: 'queued', sizeBytes: null });
    const commit = world.stagedData();
    await expectRefusal(
      world.registry.commitStaging(id, uploadId, commit, world.owner),
      'upload_fenced',
    );
  });

  it('cannot end the staging of data as an upload', async () => {
    const { id } = await imports.image();
    const uploadId = await world.begin(id, { stage: true });
    const commit = world.registry.commitUpload(id, uploadId, world.commitRequest(), world.owner);
    await expectRefusal(commit, 'upload_fenced');
  });

  it('begin with a pending task that locks the image', async () => {
    const { id } = await imports.image();
    const task = await imports.begin(id, {
      storeIds: ['two', 'one'],
      properties: [['site', 'north']],
    });
    expect(task).toMatchObject({
      type: 'api_image_import',
      status: 'pending',
      owner: world.project,
      imageId: id,
      message: '',
      result: null,
      expiresAt: null,
      input: { image_id: 'x' },
    });
    const image = await imports.imageOf(id);
    expect(image).toMatchObject({ status: 'importing' });
    expect(image.properties).toContainEqual(['site', 'north']);
    expect(await imports.progressOf(id)).toEqual({
      os_glance_import_task: task.id,
      os_glance_importing_to_stores: 'one,two',
      os_glance_failed_import: '',
    });
    await expectRefusal(imports.begin(id), 'conflict');
    expect(await world.registry.getTask(task.id, world.owner)).toEqual(task);
  });

  it('have one winner of requests at once', async () => {
    const { id } = await imports.image();
    const begun = Array.from({ length: 4 }, () => imports.begin(id));
    expect(await countWinners(begun, 'conflict')).toBe(1);
    expect(await world.registry.listImageTasks(id, world.owner)).toHaveLength(1);
  });

  it('ask for the status that belongs to the method', async () => {
    const { id } = await imports.image();
    await expectRefusal(imports.begin(id, { method: 'glance-direct' }), 'conflict');
    await expectRefusal(imports.begin(id, { method: 'copy-image' }), 'conflict');
    const staged = await imports.staged();
    await expectRefusal(imports.begin(staged, { method: 'web-download' }), 'conflict');
    const active = await world.createActive();
    await expectRefusal(imports.begin(active.id, { method: 'web-download' }), 'conflict');
  });

  it('fill a store from staged data and are over then', async () => {
    const id = await imports.staged();
    await imports.begin(id, { method: 'glance-direct' });
    const claimed = await imports.claimed(id);
    expect(claimed).toMatchObject({
      storeId: 'one',
      source: 'staged',
      staged: { areaId: imports.areaId, sizeBytes: 5 },
      attempt: 1,
      task: { status: 'processing' },
      image: { status: 'importing' },
    });
    const { uploadId } = claimed.lease;
    await world.registry.heartbeat(id, uploadId, { bytesReceived: 3 * 1024 ** 2 }, world.admin);
    const commit = world.commitRequest();
    const image = await world.registry.commitUpload(id, uploadId, commit, world.admin);
    expect(image).toMatchObject({ status: 'active', sizeBytes: 5, checksum: commit.checksum });
    expect(image.locations).toHaveLength(1);
    expect(await imports.taskOf(id)).toMatchObject({ status: 'success', result: { image_id: id } });
    expect((await imports.taskOf(id)).expiresAt).not.toBeNull();
    expect(await imports.progressOf(id)).toEqual({
      os_glance_importing_to_stores: '',
      os_glance_failed_import: '',
    });
    expect(await imports.claim(id)).toBeNull();
    const staged = claimed.staged?.uploadId ?? '';
    expect((await world.registry.getUpload(id, staged, world.owner)).state).toBe('abandoned');
  });

  it('are left to those who read the area where the data is', async () => {
    const id = await imports.staged();
    await imports.begin(id, { method: 'glance-direct' });
    expect(await imports.claim(id, { stagingAreaId: null })).toBeNull();
    expect(await imports.claim(id, { stagingAreaId: randomUUID() })).toBeNull();
    expect(await imports.claim(id)).not.toBeNull();
  });

  it('keep their source to the service', async () => {
    const id = await imports.begun(['one'], { sourceUrl: 'https://u:p@host.example/x' });
    const { lease, source } = await imports.claimed(id);
    expect(source).toBe('url');
    const sourceOf = (caller = world.admin) =>
      world.registry.getCopySource(id, lease.uploadId, caller);
    expect(await sourceOf()).toBe('https://u:p@host.example/x');
    await expectRefusal(sourceOf(world.owner), 'forbidden');
    await expectRefusal(imports.claim(id, {}, world.owner), 'forbidden');
  });

  it('fill the further stores from the first, and activate with the last', async () => {
    const id = await imports.begun(['one', 'two']);
    const first = await imports.fill(id, { virtualSizeBytes: 99 });
    expect(first).toMatchObject({ status: 'importing', sizeBytes: 5, virtualSizeBytes: 99 });
    expect(first.locations).toHaveLength(1);
    expect(await imports.progressOf(id)).toMatchObject({ os_glance_importing_to_stores: 'two' });
    const second = await imports.claimed(id, { stagingAreaId: null });
    expect(second).toMatchObject({ storeId: 'two', source: 'image', staged: null, attempt: 1 });
    const other = world.commitRequest({ checksum: '0'.repeat(32) });
    await expectRefusal(
      world.registry.commitUpload(id, second.lease.uploadId, other, world.admin),
      'data_mismatch',
    );
    await imports.end(id, second.lease.uploadId, 'handed_back');
    // What the first store's data was found to be stays, also what nobody looks for again.
    expect(await imports.fill(id)).toMatchObject({ status: 'active', virtualSizeBytes: 99 });
    expect((await imports.imageOf(id)).locations).toHaveLength(2);
    expect(await imports.taskOf(id)).toMatchObject({ status: 'success' });
  });

  it('activate with the first store when not all must succeed', async () => {
    const id = await imports.begun(['one', 'two'], { allStoresMustSucceed: false });
    expect(await imports.fill(id)).toMatchObject({ status: 'active' });
    expect(await imports.taskOf(id)).toMatchObject({ status: 'processing' });
    expect(await imports.fill(id)).toMatchObject({ status: 'active' });
    expect(await imports.taskOf(id)).toMatchObject({ status: 'success' });
  });

  it('copy an image that stays active', async () => {
    const { id } = await world.createActive();
    await imports.begin(id, { method: 'copy-image', storeIds: ['two'] });
    const claimed = await imports.claimed(id);
    expect(claimed).toMatchObject({ source: 'image', image: { status: 'active' } });
    await expectRefusal(imports.begin(id, { method: 'copy-image' }), 'conflict');
    const commit = world.commitRequest();
    await world.registry.commitUpload(id, claimed.lease.uploadId, commit, world.admin);
    const image = await imports.imageOf(id);
    expect(image).toMatchObject({ status: 'active' });
    expect(image.locations).toHaveLength(2);
  });

  it('do not take other data for a copy', async () => {
    const { id } = await world.createActive();
    await imports.begin(id, { method: 'copy-image', storeIds: ['two'] });
    const { lease } = await imports.claimed(id);
    const commit = world.commitRequest({ checksum: '0'.repeat(32) });
    await expectRefusal(
      world.registry.commitUpload(id, lease.uploadId, commit, world.admin),
      'data_mismatch',
    );
    expect((await imports.imageOf(id)).locations).toHaveLength(1);
  });

  it('have one winner of claims at once', async () => {
    const id = await imports.begun(['one']);
    const claims = await Promise.all(Array.from({ length: 5 }, () => imports.claim(id)));
    expect(claims.filter((each) => each !== null)).toHaveLength(1);
  });

  it('are found without being named', async () => {
    const id = await imports.begun(['one']);
    const found: string[] = [];
    for (;;) {
      const claimed = await imports.claim(id, { imageId: undefined as never });
      if (!claimed) break;
      found.push(claimed.image.id);
    }
    expect(found).toContain(id);
  });
}
