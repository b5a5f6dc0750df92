import { execFileSync, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, readdir, rm, truncate, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import request from 'supertest';
import { startTestApi, type TestApi } from '../testing/test-api';

const OWNER = 'alice:a:member';
const OCTETS = { 'content-type': 'application/octet-stream' };
const KIB = 1024;
const DISK_BYTES = 1024 * KIB;
const CAP_BYTES = 16 * DISK_BYTES;
const PLUGINS = 'image_decompression,image_conversion';

const hasQemu = spawnSync('qemu-img', ['--version']).status === 0;
if (!hasQemu) process.stderr.write('NOT TESTED: conversions; there is no qemu-img\n');

/** Plugins that change the data of imports (tasks sheet §7, lifecycle sheet §5.3). */
(hasQemu ? describe : describe.skip)('plugins of imports in API v2', () => {
  let server: TestApi;
  let directory: string;
  let disk: Buffer;

  const start = (staging: string, ...flags: string[]): Promise<TestApi> =>
    startTestApi(
      `--node-staging-uri=file://${directory}/${staging}`,
      `--image-size-cap=${CAP_BYTES}`,
      ...flags,
    );

  beforeAll(async () => {
    directory = await mkdtemp(path.join(os.tmpdir(), 'glance-plugins-'));
    disk = Buffer.concat([
      Buffer.alloc(64 * KIB),
      randomBytes(100 * KIB),
      Buffer.alloc(DISK_BYTES),
    ]);
    disk = disk.subarray(0, DISK_BYTES);
    await writeFile(path.join(directory, 'disk.raw'), disk);
    server = await start('staging', `--image-import-opts-image-import-plugins=[${PLUGINS}]`);
  });

  afterAll(async () => {
    await server.close();
    await rm(directory, { recursive: true });
  });

  const qemu = (...args: string[]): void => {
    execFileSync('qemu-img', args, { cwd: directory, stdio: ['ignore', 'ignore', 'inherit'] });
  };
  const diskAs = async (format: string, ...options: string[]): Promise<Buffer> => {
    qemu('convert', '-O', format, ...options, 'disk.raw', `disk.${format}`);
    return await readFile(path.join(directory, `disk.${format}`));
  };
  /** Creates an image and imports the data, to the end of the task. */
  const imported = async (data: Buffer, format: string, container = 'bare', api = server) => {
    const agent = () => request.agent(api.url).set('x-auth-token', OWNER);
    const body = { disk_format: format, container_format: container };
    const { id } = (await agent().post('/v2/images').send(body).expect(201)).body;
    await agent().put(`/v2/images/${id}/stage`).set(OCTETS).send(data).expect(204);
    const direct = { method: { name: 'glance-direct' } };
    await agent().post(`/v2/images/${id}/import`).send(direct).expect(202);
    for (;;) {
      const { tasks } = (await agent().get(`/v2/images/${id}/tasks`).expect(200)).body;
      if (['success', 'failure'].includes(tasks[0].status)) {
        const image = (await agent().get(`/v2/images/${id}`).expect(200)).body;
        const { status, body: stored } = await agent().get(`/v2/images/${id}/file`);
        return { task: tasks[0], image, data: status === 200 ? (stored as Buffer) : undefined };
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  /** The end of a task comes before its files have gone. */
  const workIsGone = async (): Promise<void> => {
    const remaining = async (): Promise<string[]> => {
      const names = await readdir(path.join(directory, 'staging'), { recursive: true });
      return names.filter(
        (name) => /[0-9a-f]{8}-/.test(path.basename(name)) && !/^\.sta/.test(name),
      );
    };
    while ((await remaining()).length > 0) await new Promise((resolve) => setTimeout(resolve, 20));
  };

  it.each([
    ['qcow2', 'qcow2', []],
    ['vmdk', 'vmdk', ['-o', 'subformat=streamOptimized']],
    ['vdi', 'vdi', []],
    ['vhdx', 'vhdx', []],
    ['vhd', 'vpc', ['-o', 'subformat=dynamic,force_size']],
  ])('make a raw image of %s', async (format, qemuFormat, options) => {
    const { task, image, data } = await imported(await diskAs(qemuFormat, ...options), format);
    expect(task).toMatchObject({ status: 'success' });
    expect(image).toMatchObject({
      status: 'active',
      disk_format: 'raw',
      container_format: 'bare',
      size: DISK_BYTES,
      virtual_size: DISK_BYTES,
    });
    expect(data?.equals(disk)).toBe(true);
    await workIsGone();
  });

  it('unpack before they convert', async () => {
    const { image, data } = await imported(gzipSync(await diskAs('qcow2')), 'qcow2');
    expect(image).toMatchObject({ status: 'active', disk_format: 'raw', size: DISK_BYTES });
    expect(data?.equals(disk)).toBe(true);
    await workIsGone();
  });

  it('take what is raw, what is a CD and what is in a container as it is', async () => {
    expect((await imported(disk, 'raw')).data?.equals(disk)).toBe(true);
    const cd = Buffer.alloc(64 * KIB);
    cd.write('CD001', 32_769);
    cd.write('\x01CD001\x01', 32_768, 'latin1');
    expect((await imported(cd, 'iso')).image).toMatchObject({
      status: 'active',
      disk_format: 'iso',
    });
    const qcow2 = await diskAs('qcow2');
    const contained = await imported(qcow2, 'qcow2', 'ovf');
    expect(contained.image).toMatchObject({ status: 'active', disk_format: 'qcow2' });
    expect(contained.data?.equals(qcow2)).toBe(true);
    const packed = gzipSync(disk);
    const compressed = await imported(packed, 'raw', 'compressed');
    expect(compressed.data?.equals(packed)).toBe(true);
    await workIsGone();
  });

  it('refuse what refers to other files, and leave the image queued', async () => {
    await writeFile(path.join(directory, 'secret'), 'of this node'.repeat(1000));
    qemu('create', '-f', 'qcow2', '-b', 'secret', '-F', 'raw', 'backed.qcow2');
    qemu('create', '-f', 'qcow2', '-o', 'data_file=outside', 'data.qcow2', '64k');
    for (const name of ['backed.qcow2', 'data.qcow2']) {
      const { task, image } = await imported(await readFile(path.join(directory, name)), 'qcow2');
      expect(task).toMatchObject({ status: 'failure' });
      expect(task.message).toMatch(/^The data is refused: /);
      expect(image).toMatchObject({ status: 'queued', size: null, disk_format: 'qcow2' });
    }
    await workIsGone();
  });

  it('refuse what is not of its format, also when it says to be raw', async () => {
    const qcow2 = await diskAs('qcow2');
    for (const [data, format] of [
      [qcow2, 'raw'],
      [qcow2, 'vmdk'],
      [disk, 'qcow2'],
      [qcow2.subarray(0, qcow2.length / 2), 'qcow2'],
    ] as const) {
      const { task, image } = await imported(data, format);
      expect(task.message).toMatch(/^The data is refused: /);
      expect(task.message).not.toContain(directory);
      expect(image).toMatchObject({ status: 'queued', disk_format: format });
    }
    await workIsGone();
  });

  it('refuse a disk that is larger than images may be before they write it', async () => {
    qemu('create', '-f', 'qcow2', 'huge.qcow2', '1T');
    const huge = await imported(await readFile(path.join(directory, 'huge.qcow2')), 'qcow2');
    expect(huge.task.message).toContain(`images may have ${CAP_BYTES}`);
    const packed = gzipSync(Buffer.alloc(CAP_BYTES + 1));
    const bomb = await imported(packed, 'raw');
    expect(bomb.task.message).toContain(String(CAP_BYTES));
    expect(bomb.image).toMatchObject({ status: 'queued', size: null });
    await workIsGone();
  });

  it('convert to other formats, or only unpack', async () => {
    const toQcow2 = await start(
      'staging-qcow2',
      '--image-import-opts-image-import-plugins=image_conversion',
      '--image-conversion-output-format=qcow2',
    );
    const unpacking = await start(
      'staging-packed',
      '--image-import-opts-image-import-plugins=image_decompression',
    );
    try {
      const { image, data } = await imported(disk, 'raw', 'bare', toQcow2);
      expect(image).toMatchObject({ disk_format: 'qcow2', virtual_size: DISK_BYTES });
      await writeFile(path.join(directory, 'out.qcow2'), data ?? '');
      qemu('convert', '-O', 'raw', 'out.qcow2', 'back.raw');
      expect((await readFile(path.join(directory, 'back.raw'))).equals(disk)).toBe(true);
      const qcow2 = await diskAs('qcow2');
      const unpacked = await imported(gzipSync(qcow2), 'qcow2', 'bare', unpacking);
      expect(unpacked.image).toMatchObject({ disk_format: 'qcow2', size: qcow2.length });
      expect(unpacked.data?.equals(qcow2)).toBe(true);
    } finally {
      await toQcow2.close();
      await unpacking.close();
    }
  });

  it('say so when staged data is no longer what was staged', async () => {
    const agent = () => request.agent(server.url).set('x-auth-token', OWNER);
    const body = { disk_format: 'raw', container_format: 'bare' };
    const { id } = (await agent().post('/v2/images').send(body).expect(201)).body;
    await agent().put(`/v2/images/${id}/stage`).set(OCTETS).send(gzipSync(disk)).expect(204);
    const staging = path.join(directory, 'staging');
    const names = await readdir(staging, { recursive: true });
    const staged = names.find((name) => name.includes(id)) ?? '';
    await truncate(path.join(staging, staged), 100);
    const direct = { method: { name: 'glance-direct' } };
    await agent().post(`/v2/images/${id}/import`).send(direct).expect(202);
    for (let image = { status: 'importing' }; image.status === 'importing';) {
      image = (await agent().get(`/v2/images/${id}`).expect(200)).body;
    }
    const { tasks } = (await agent().get(`/v2/images/${id}/tasks`).expect(200)).body;
    expect(tasks[0]).toMatchObject({ status: 'failure' });
  });
});
