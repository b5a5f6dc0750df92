import { randomUUID } from 'node:crypto';
import { expect, it } from '@jest/globals';
import type { CreateImageRequest, ImageProperty, NewImage } from '@glance/common';
import { countWinners, expectRefusal, sorted, type NewWorld } from './contract-world';

export function createCases(newWorld: NewWorld): void {
  it('fills in what is not given', async () => {
    const world = newWorld();
    const { image, lease } = await world.registry.createImage({ image: {} }, world.owner);
    expect(lease).toBeNull();
    expect(image).toEqual({
      id: expect.stringMatching(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/),
      name: null,
      status: 'queued',
      visibility: 'shared',
      owner: world.project,
      sizeBytes: null,
      virtualSizeBytes: null,
      diskFormat: null,
      containerFormat: null,
      checksum: null,
      hashAlgorithm: null,
      hashValue: null,
      minDisk: 0,
      minRam: 0,
      protected: false,
      hidden: false,
      deleted: false,
      createdAt: expect.stringMatching(/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}$/),
      updatedAt: image.createdAt,
      deletedAt: null,
      properties: [],
      tags: [],
      locations: [],
    });
  });

  it('keeps everything that is given', async () => {
    const world = newWorld();
    const fields: NewImage = {
      id: randomUUID(),
      name: 'Ünïcode 名前 "quoted" \\ %_',
      visibility: 'private',
      sizeBytes: 2 ** 40 + 1,
      virtualSizeBytes: 2 ** 41 + 1,
      diskFormat: 'qcow2',
      containerFormat: 'bare',
      checksum: 'c'.repeat(32),
      minDisk: 2 ** 31 - 1,
      minRam: 7,
      protected: true,
      hidden: true,
    };
    const properties: ImageProperty[] = [
      ['os_distro', 'linux'],
      ['empty', ''],
      ['none', null],
      ['long', 'v'.repeat(65_535)],
      ['n'.repeat(255), '値'],
    ];
    const tags = ['b', 'a', 'ä tag'];
    const created = await world.create({ ...fields, properties, tags });
    expect(created).toMatchObject({ ...fields, owner: world.project, status: 'queued' });
    expect(sorted(created.properties)).toEqual(sorted(properties));
    expect(sorted(created.tags)).toEqual(sorted(tags));
    const read = await world.registry.getImage(created.id, world.owner);
    expect(read).toEqual(created);
  });

  it('gives an image to the project of its creator, whatever an ordinary user says', async () => {
    const world = newWorld();
    const image = await world.create({ owner: world.otherProject });
    expect(image.owner).toBe(world.project);
  });

  it('gives an image to whom an admin says', async () => {
    const world = newWorld();
    const owners = [world.otherProject, null, '', undefined];
    const given = [];
    for (const owner of owners) {
      const image = await world.create(owner === undefined ? {} : { owner }, world.admin);
      given.push(image.owner);
    }
    expect(given).toEqual([world.otherProject, null, null, world.adminProject]);
  });

  it('makes an image of no bytes active at once', async () => {
    const world = newWorld();
    const image = await world.create({ status: 'active', sizeBytes: 0 });
    expect(image).toMatchObject({ status: 'active', sizeBytes: 0, locations: [] });
  });

  it('makes no image active that has bytes', async () => {
    const world = newWorld();
    const id = randomUUID();
    const call = world.create({ id, status: 'active', sizeBytes: 5 });
    await expectRefusal(call, 'invalid_request', 'conflict');
    await expectRefusal(world.registry.getImage(id, world.admin), 'image_not_found');
  });

  it('refuses a read-only caller', async () => {
    const world = newWorld();
    await expectRefusal(world.create({}, world.anonymous), 'forbidden');
  });

  it('refuses an id that is in use, to everybody', async () => {
    const world = newWorld();
    const { id } = await world.create({ visibility: 'private' });
    for (const caller of [world.owner, world.stranger, world.admin]) {
      await expectRefusal(world.create({ id }, caller), 'image_exists');
    }
  });

  it('refuses the id of a deleted image', async () => {
    const world = newWorld();
    const queued = await world.create();
    const active = await world.createActive();
    for (const { id } of [queued, active]) {
      await world.remove(id);
      await expectRefusal(world.create({ id }), 'image_exists');
      await expectRefusal(world.create({ id }, world.admin), 'image_exists');
    }
  });

  it('gives an id to one of those who want it at once', async () => {
    const world = newWorld();
    const id = randomUUID();
    const calls = Array.from({ length: 5 }, () => world.create({ id }));
    expect(await countWinners(calls, 'image_exists')).toBe(1);
  });

  it('claims the image for an upload in the same step', async () => {
    const world = newWorld();
    const upload = world.uploadRequest({ expectedSizeBytes: 5, storageQuotaBytes: 10 });
    const { image, lease } = await world.registry.createImage({ image: {}, upload }, world.owner);
    expect(image.status).toBe('saving');
    expect(lease).toMatchObject({ uploadId: upload.uploadId });
    const committed = await world.registry.commitUpload(
      image.id,
      upload.uploadId,
      world.commitRequest(),
      world.owner,
    );
    expect(committed).toMatchObject({ id: image.id, status: 'active' });
  });

  it('creates nothing when the quota refuses the upload', async () => {
    const world = newWorld();
    const id = randomUUID();
    const upload = world.uploadRequest({ expectedSizeBytes: 11, storageQuotaBytes: 10 });
    const call = world.registry.createImage({ image: { id }, upload }, world.owner);
    await expectRefusal(call, 'quota_exceeded');
    await expectRefusal(world.registry.getImage(id, world.admin), 'image_not_found');
    await world.create({ id });
  });

  it.each<[string, object]>([
    ['an id that is no UUID', { id: 'asdf' }],
    ['an unknown field', { colour: 'red' }],
    ['an unknown status', { status: 'saving' }],
    ['an unknown visibility', { visibility: 'secret' }],
    ['a name that is too long', { name: 'x'.repeat(256) }],
    ['a name that the tables cannot hold', { name: '😀' }],
    ['a negative size', { sizeBytes: -1 }],
    ['a size in text', { sizeBytes: '5' }],
    ['a minimum that the column cannot hold', { minDisk: 2 ** 31 }],
    ['a property that the tables cannot hold', { properties: [['a', '😀']] }],
    ['a property that is too long', { properties: [['a', 'ä'.repeat(40_000)]] }],
    ['a property with an object for a value', { properties: [['a', { b: 1 }]] }],
    ['properties as an object', { properties: { a: 'b' } }],
    ['a property of a dangerous name', { properties: [['__proto__', 'x']] }],
    ['a tag that is too long', { tags: ['t'.repeat(256)] }],
  ])('refuses %s', async (_what, image) => {
    const world = newWorld();
    const request = { image } as CreateImageRequest;
    await expectRefusal(world.registry.createImage(request, world.owner), 'invalid_request');
  });
}
