import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { DATABASES, Deployment } from './support/deployment';

jest.setTimeout(120_000);

const run = promisify(execFile);
const PROGRAM = path.resolve(__dirname, '../packages/glance-manage/bin/glance-replicator.js');
const TOKEN = 'root:ops:admin,member,reader';
const FILE = { 'content-type': 'application/octet-stream' };

/** Images of one service in another, by API v1 (lifecycle sheet §8). */
describe('glance-replicator', () => {
  let source: Deployment;
  let target: Deployment;
  let directory: string;
  const data = randomBytes(300_000);

  beforeAll(async () => {
    directory = await mkdtemp(path.join(os.tmpdir(), 'glance-replicator-'));
    const settings = { database: DATABASES[0]!, flavor: 'fakeauth' } as const;
    source = await Deployment.start(settings);
    target = await Deployment.start(settings);
  });

  afterAll(async () => {
    await source.stop();
    await target.stop();
    await rm(directory, { recursive: true });
  });

  const at = ({ apiUrl }: Deployment): string => apiUrl.replace('http://', '');
  const replicate = async (...args: string[]): Promise<string> =>
    (await run(process.execPath, [PROGRAM, '--token', TOKEN, ...args])).stdout;
  const call = async (
    { apiUrl }: Deployment,
    method: string,
    pathName: string,
    headers: Record<string, string> = {},
    body?: Buffer,
  ): Promise<Response> =>
    await fetch(`${apiUrl}/v1/images${pathName}`, {
      method,
      headers: { 'x-auth-token': TOKEN, ...headers },
      ...(body ? { body } : {}),
    });
  const upload = async (name: string): Promise<string> => {
    const meta = {
      'x-image-meta-name': Buffer.from(name).toString('latin1'),
      'x-image-meta-disk_format': 'raw',
      'x-image-meta-container_format': 'bare',
      'x-image-meta-property-os_type': 'linux',
    };
    const answer = await call(source, 'POST', '', { ...FILE, ...meta }, data);
    expect(answer.status).toBe(201);
    return ((await answer.json()) as { image: { id: string } }).image.id;
  };
  const shownAt = async (deployment: Deployment, id: string): Promise<Record<string, unknown>> => {
    const answer = await call(deployment, 'GET', '/detail');
    const { images } = (await answer.json()) as { images: Record<string, unknown>[] };
    return images.find((image) => image['id'] === id) ?? {};
  };

  it('dumps, loads, copies, compares and measures', async () => {
    const id = await upload('Störung');
    const human = '293.0 KiB';
    expect(await replicate('size', at(source))).toBe(
      `Total size is ${data.length} bytes (${human}) across 1 images\n`,
    );
    expect(await replicate('compare', at(source), at(target))).toContain(
      `Image ${id} (Störung, ${data.length} bytes) entirely missing from the destination`,
    );

    const dump = path.join(directory, 'dump');
    await replicate('dump', at(source), dump);
    expect((await readdir(dump)).sort()).toEqual([id, `${id}.img`]);
    expect((await readFile(path.join(dump, `${id}.img`))).equals(data)).toBe(true);
    await replicate('load', at(target), dump);
    expect(await shownAt(target, id)).toMatchObject({
      ...{ name: 'Störung', status: 'active', size: data.length, owner: 'ops' },
      properties: { os_type: 'linux' },
    });
    const copied = await call(target, 'GET', `/${id}`);
    expect(Buffer.from(await copied.arrayBuffer()).equals(data)).toBe(true);
    expect(await replicate('compare', at(source), at(target))).toBe('');
    expect(await replicate('load', at(target), dump)).toBe('');

    await call(source, 'PUT', `/${id}`, {
      'x-image-meta-property-os_type': 'windows',
      'x-glance-registry-purge-props': 'false',
    });
    expect(await replicate('compare', at(source), at(target))).toBe(
      `${id}: field properties.os_type differs (source is "windows", destination is "linux")\n`,
    );
    const second = await upload('second');
    const live = await replicate('livecopy', source.apiUrl, target.apiUrl);
    expect(live).toContain(`Changed what is said of ${id}`);
    expect(live).toContain(`Copied ${second} (second`);
    expect(await shownAt(target, id)).toMatchObject({ properties: { os_type: 'windows' } });
    expect(await replicate('compare', at(source), at(target))).toBe('');
  });

  it('ends with 1, and says why', async () => {
    for (const args of [[], ['explode'], ['dump', at(source)], ['size', '127.0.0.1:9']]) {
      await expect(replicate(...args)).rejects.toMatchObject({ code: 1 });
    }
    await expect(
      run(process.execPath, [PROGRAM, '--token', 'nobody', 'size', at(source)]),
    ).rejects.toMatchObject({ code: 1, stderr: expect.stringContaining('is answered 401') });
    expect(await replicate('--help')).toContain('usage: glance-replicator');
  });
});
