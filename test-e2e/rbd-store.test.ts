import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import http from 'node:http';
import { CephCluster, withCeph } from './support/ceph-cluster';
import { Deployment, eventually, stopService } from './support/deployment';
import { createV2 } from './support/v2-client';

jest.setTimeout(120_000);

const MIB = 1024 * 1024;
/** Objects that a pool keeps when its images are gone. */
const LASTING = ['rbd_directory', 'rbd_info', 'rbd_trash', 'rbd_children', 'glance_unfinished'];

withCeph(describe)('images in RBD', () => {
  const cluster = new CephCluster();
  const pool = `e2e-${randomUUID()}`;
  let fsid: string;
  let deployment: Deployment;

  beforeAll(async () => {
    await cluster.createPool(pool);
    fsid = (await cluster.run('ceph', 'fsid')).trim();
    deployment = await Deployment.start({
      database: 'sqlite',
      api: {
        DEFAULT: ['show_multiple_locations = true', 'deletion_grace = 0'],
        glance_store: [
          'stores = file,rbd',
          'default_store = rbd',
          `rbd_store_ceph_conf = ${cluster.conf}`,
          'rbd_store_user = glance',
          `rbd_store_pool = ${pool}`,
          'rbd_store_chunk_size = 4',
        ],
      },
      registry: { uploads: ['lease_seconds = 4'] },
    });
  });

  afterAll(async () => {
    await deployment.stop();
    await cluster.deletePool(pool);
  });

  const rados = (...args: string[]): Promise<string[]> =>
    cluster.lines('rados', '-p', pool, ...args);

  /** Names of images, and of uploads that are not recorded. */
  async function contents(): Promise<{ images: string[]; marks: string[]; others: string[] }> {
    const objects = (await rados('ls')).filter((name) => !name.startsWith('rbd_id.'));
    const images = await cluster.imagesIn(pool);
    const marks = objects.includes('glance_unfinished')
      ? await rados('listomapkeys', 'glance_unfinished')
      : [];
    return { images, marks, others: objects.filter((name) => !LASTING.includes(name)) };
  }

  const EMPTY = { images: [], marks: [], others: [] };

  async function newImage(): Promise<string> {
    const id = randomUUID();
    expect(await createV2(deployment.apiUrl, id)).toBe(201);
    return id;
  }

  const fileOf = (id: string, apiUrl = deployment.apiUrl): string =>
    `${apiUrl}/v2/images/${id}/file`;

  /**
   * Without an announced size.
   * @param onBegun called once the store has an image; then nothing more is sent.
   */
  function upload(url: string, data: Buffer, onBegun?: (request: http.ClientRequest) => void) {
    return new Promise<number>((resolve, reject) => {
      const headers = { 'content-type': 'application/octet-stream' };
      const request = http.request(url, { method: 'PUT', headers }, (answer) => {
        answer.resume();
        resolve(answer.statusCode!);
      });
      request.on('error', reject);
      if (!onBegun) {
        request.end(data);
        return;
      }
      request.write(data);
      eventually(async () => {
        expect((await contents()).others.some((name) => name.startsWith('rbd_data.'))).toBe(true);
      }).then(() => onBegun(request), reject);
    });
  }

  it.each([0, 1, 3 * MIB, 17 * MIB + 5])(
    'takes %i bytes, lists, serves and deletes them',
    async (size) => {
      const data = randomBytes(size);
      const id = await newImage();
      expect(await upload(fileOf(id), data)).toBe(204);
      const shown = (await (await fetch(`${deployment.apiUrl}/v2/images/${id}`)).json()) as object;
      expect(shown).toMatchObject({
        status: 'active',
        size,
        os_hash_value: createHash('sha512').update(data).digest('hex'),
        locations: [{ url: `rbd://${fsid}/${pool}/${id}/snap` }],
      });
      const list = await (await fetch(`${deployment.apiUrl}/v2/images`)).text();
      expect(list).toContain(id);
      const whole = await fetch(fileOf(id));
      expect(Buffer.from(await whole.arrayBuffer()).equals(data)).toBe(true);
      if (size > 1) {
        const part = await fetch(fileOf(id), { headers: { range: 'bytes=1000000-2000000' } });
        expect(part.status).toBe(206);
        const bytes = Buffer.from(await part.arrayBuffer());
        expect(bytes.equals(data.subarray(1_000_000, 2_000_001))).toBe(true);
      }
      await eventually(async () => {
        expect(await contents()).toMatchObject({ images: [id], marks: [] });
      });
      const gone = await fetch(`${deployment.apiUrl}/v2/images/${id}`, { method: 'DELETE' });
      expect(gone.status).toBe(204);
      expect(await contents()).toEqual(EMPTY);
    },
  );

  it('does not delete an image that a volume was cloned from', async () => {
    const id = await newImage();
    expect(await upload(fileOf(id), randomBytes(MIB))).toBe(204);
    await cluster.run('rbd', 'clone', `${pool}/${id}@snap`, `${pool}/volume`);
    const url = `${deployment.apiUrl}/v2/images/${id}`;
    expect((await fetch(url, { method: 'DELETE' })).status).toBe(409);
    expect(await (await fetch(url)).json()).toMatchObject({ status: 'active' });
    expect((await fetch(fileOf(id))).status).toBe(200);
    await cluster.run('rbd', 'rm', '--no-progress', `${pool}/volume`);
    expect((await fetch(url, { method: 'DELETE' })).status).toBe(204);
    expect(await contents()).toEqual(EMPTY);
  });

  it('leaves nothing of an upload whose client went away', async () => {
    const id = await newImage();
    const leave = (request: http.ClientRequest): void => {
      request.destroy(new Error('gone'));
    };
    await expect(upload(fileOf(id), randomBytes(12 * MIB), leave)).rejects.toThrow('gone');
    await eventually(async () => {
      expect(await contents()).toEqual(EMPTY);
    });
    const shown = (await (await fetch(`${deployment.apiUrl}/v2/images/${id}`)).json()) as object;
    expect(shown).toMatchObject({ status: 'queued', size: null });
  });

  it.each<[string, string | undefined]>([
    ['in the middle of an upload', undefined],
    ['before the upload was recorded', 'U6:kill'],
  ])('has what a process that died %s left behind swept', async (_, failPoint) => {
    const id = await newImage();
    const { url, service } = await deployment.addApi(failPoint ?? '');
    const kill = (): void => {
      service.child.kill('SIGKILL');
    };
    const sending = upload(
      fileOf(id, url),
      randomBytes(9 * MIB),
      failPoint === undefined ? kill : undefined,
    );
    await expect(sending).rejects.toThrow();
    await stopService(service);
    expect(await contents()).toMatchObject({ images: [id], marks: [expect.stringContaining(id)] });
    await eventually(async () => {
      await deployment.manage('db', 'expire_leases');
      expect((await deployment.manageStore('unfinished')).code).toBe(0);
      expect(await contents()).toEqual(EMPTY);
    });
  });

  it('finishes the deletion of a process that died between snapshot and image', async () => {
    const id = await newImage();
    expect(await upload(fileOf(id), randomBytes(9 * MIB))).toBe(204);
    await eventually(async () => {
      expect(await contents()).toMatchObject({ images: [id], marks: [] });
    });
    // It hangs there until the process dies.
    const { url, service } = await deployment.addApi('snapshot-gone:hang');
    const deleting = fetch(`${url}/v2/images/${id}`, { method: 'DELETE' });
    const broken = expect(deleting).rejects.toThrow();
    await eventually(async () => {
      expect(await cluster.lines('rbd', 'snap', 'ls', `${pool}/${id}`)).toEqual([]);
    });
    const helpers = await childrenOf(service.child.pid!);
    service.child.kill('SIGKILL');
    for (const helper of helpers) process.kill(helper, 'SIGKILL');
    await broken;
    await stopService(service);
    expect(await contents()).toMatchObject({ images: [id] });
    expect((await fetch(fileOf(id))).status).toBe(404);
    await eventually(async () => {
      // The dead process has the lock of the removal for some seconds.
      expect((await deployment.manageStore('deletions')).code).toBe(0);
      expect(await contents()).toEqual(EMPTY);
    }, 60_000);
  });
});

/** The processes that a process has started (proc(5)). */
async function childrenOf(pid: number): Promise<number[]> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8');
  return text
    .split(' ')
    .filter((child) => child !== '')
    .map(Number);
}
