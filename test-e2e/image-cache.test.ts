import { execFile } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtemp, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { describeWithClients, runClient } from './support/clients';
import { Deployment, ROOT, eventually } from './support/deployment';
import { IdentityServer } from './support/identity';
import { createV2, putFileV2 } from './support/v2-client';

jest.setTimeout(180_000);

const ADMIN = 'root:project-r:admin,member,reader';
const CALLER = { 'x-auth-token': ADMIN };
const run = promisify(execFile);

interface CacheState {
  cached_images: { image_id: string; hits: number }[];
  queued_images: string[];
}

let deployment: Deployment;
let parent: string;
let cacheDirectory: string;
const data = randomBytes(3_000_000);

beforeAll(async () => {
  parent = await mkdtemp(path.join(os.tmpdir(), 'glance-e2e-cache-'));
  cacheDirectory = path.join(parent, 'cache');
  deployment = await Deployment.start({
    database: 'sqlite',
    api: {
      paste_deploy: ['flavor = fakeauth+cachemanagement'],
      DEFAULT: [
        `image_cache_dir = ${cacheDirectory}`,
        'image_cache_stall_time = 1',
        'cache_prefetcher_interval = 3600',
      ],
      transfer: ['sweep_interval = 0.5'],
    },
  });
});

afterAll(async () => {
  await deployment.stop();
  await rm(parent, { recursive: true });
});

async function upload(): Promise<string> {
  const id = randomUUID();
  expect(await createV2(deployment.apiUrl, id, CALLER)).toBe(201);
  expect(await putFileV2(deployment.apiUrl, id, data, CALLER)).toBe(204);
  return id;
}

async function download(url: string, id: string): Promise<Buffer> {
  const answer = await fetch(`${url}/v2/images/${id}/file`, { headers: CALLER });
  return Buffer.from(await answer.arrayBuffer());
}

async function state(): Promise<CacheState> {
  const answer = await fetch(`${deployment.apiUrl}/v2/cache`, { headers: CALLER });
  return (await answer.json()) as CacheState;
}

async function cachedIds(): Promise<string[]> {
  return (await state()).cached_images.map(({ image_id }) => image_id);
}

async function becomesCached(id: string): Promise<void> {
  await eventually(async () => expect(await cachedIds()).toContain(id));
}

/** What the store has of the image is out of reach: only the cache can serve it. */
async function withoutStore(id: string, work: () => Promise<void>): Promise<void> {
  const file = path.join(deployment.imageDirectory, id);
  await rename(file, `${file}.away`);
  try {
    await work();
  } finally {
    await rename(`${file}.away`, file);
  }
}

describe('an api that is killed while it brings an image into the cache', () => {
  // Some bytes are there; the data has its name; the record is there as well.
  it.each([
    ['C1', []],
    ['C2', []],
    ['C3', ['cached']],
  ])('at %s leaves nothing that is not verified', async (point, left) => {
    const id = await upload();
    const { url, service } = await deployment.addApi(`${point}:kill`);
    // The bytes may be out before it dies.
    await download(url, id).catch(() => undefined);
    expect(await service.exited).toBe('SIGKILL');
    if (left.length > 0) {
      await withoutStore(id, async () => {
        expect((await download(deployment.apiUrl, id)).equals(data)).toBe(true);
      });
    }
    expect((await download(deployment.apiUrl, id)).equals(data)).toBe(true);
    await eventually(async () => {
      expect(await readdir(path.join(cacheDirectory, 'incomplete'))).toEqual([]);
      // As long as another process might still be at it, it is not fetched again.
      expect((await download(deployment.apiUrl, id)).equals(data)).toBe(true);
      expect(await cachedIds()).toContain(id);
    });
    await withoutStore(id, async () => {
      expect((await download(deployment.apiUrl, id)).equals(data)).toBe(true);
    });
  });
});

describe('the programs for the cache', () => {
  async function tool(
    name: string,
    ...args: string[]
  ): Promise<{ code: number; out: string; err: string }> {
    const program = path.join(ROOT, `packages/glance-api/bin/glance-cache-${name}.js`);
    try {
      const { stdout, stderr } = await run(process.execPath, [program, ...args]);
      return { code: 0, out: stdout, err: stderr };
    } catch (error) {
      const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
      return { code, out: stdout, err: stderr };
    }
  }
  const config = () => ['--config-file', path.join(deployment.directory, 'api-0.conf')];
  const manage = (...args: string[]) =>
    tool('manage', '-H', deployment.apiUrl, '--os-auth-token', ADMIN, '-f', ...args);

  it('glance-cache-prefetcher, -pruner and -cleaner do once what the api does by itself', async () => {
    const id = await upload();
    await writeFile(path.join(cacheDirectory, 'queue', id), '');
    expect(await tool('prefetcher', ...config())).toEqual({
      code: 0,
      out: expect.stringContaining('0 images stay in the queue.'),
      err: '',
    });
    expect(await cachedIds()).toContain(id);
    await writeFile(path.join(cacheDirectory, 'invalid', randomUUID()), 'x');
    const cleaned = await tool('cleaner', ...config());
    expect([cleaned.code, cleaned.out]).toEqual([
      0,
      expect.stringMatching(/^Removed [01] files\./),
    ]);
    expect(await tool('pruner', ...config(), '--image-cache-max-size=0')).toEqual({
      code: 0,
      out: expect.stringMatching(/^Removed [1-9]\d* images of \d+ bytes\./),
      err: '',
    });
    expect(await cachedIds()).toEqual([]);
  });

  it('say that there is no cache', async () => {
    for (const name of ['prefetcher', 'pruner', 'cleaner']) {
      const { code, err } = await tool(name, ...config(), '--image-cache-dir=');
      expect([code, err]).toEqual([1, expect.stringContaining('image_cache_dir is not set')]);
    }
  });

  it('glance-cache-manage lists, queues and deletes, as upstream does', async () => {
    const id = await upload();
    expect((await manage('list-cached')).out).toBe('No cached images.\n');
    expect(await manage('queue-image', id)).toEqual({
      code: 0,
      out: `Queued image ${id} for caching\n`,
      err: '',
    });
    await becomesCached(id);
    const { out } = await manage('list-cached');
    expect(out).toMatch(/^Found 1 cached images\.\.\.\nID /);
    expect(out).toMatch(new RegExp(`${id} N/A .* ${data.length} +0\\n`));
    expect((await manage('list-queued')).out).toBe('No queued images.\n');
    expect((await manage('delete-cached-image', id)).code).toBe(0);
    expect((await manage('delete-all-cached-images')).out).toBe('Deleted 0 cached images\n');
    expect((await manage('delete-all-queued-images')).out).toBe('Deleted 0 queued images\n');
    expect((await manage('queue-image', 'no-image')).code).toBe(1);
    expect((await manage('--os-auth-token', 'u:p:member', 'list-cached')).code).toBe(1);
    expect((await manage('explode')).code).toBe(2);
    expect((await manage('help')).out).toContain('delete-all-queued-images');
  });
});

describeWithClients()('the unmodified clients with the cache', () => {
  let identity: IdentityServer;

  beforeAll(async () => {
    identity = await IdentityServer.start(deployment.apiUrl, [
      { id: 'project-r', name: 'project-r' },
    ]);
  });

  afterAll(() => identity.stop());

  const client = async (program: 'glance' | 'openstack', ...args: string[]): Promise<string> =>
    (await runClient(program, args, { environment: identity.environment(ADMIN) })).toString();

  it('glance queues, lists, deletes and clears; openstack saves from the store and the cache', async () => {
    const id = await upload();
    const file = path.join(deployment.directory, 'saved');
    await client('openstack', 'image', 'save', '--file', file, id);
    expect((await readFile(file)).equals(data)).toBe(true);
    await becomesCached(id);
    await withoutStore(id, async () => {
      await client('openstack', 'image', 'save', '--file', `${file}-again`, id);
      expect((await readFile(`${file}-again`)).equals(data)).toBe(true);
    });
    expect(await client('glance', 'cache-list')).toMatch(new RegExp(`${id} +\\| cached .* 1 +\\|`));
    await client('glance', 'cache-delete', id);
    expect(await cachedIds()).not.toContain(id);
    await client('glance', 'cache-queue', id);
    await becomesCached(id);
    await client('glance', 'cache-clear', '--target', 'cache');
    expect(await cachedIds()).toEqual([]);
  });
});
