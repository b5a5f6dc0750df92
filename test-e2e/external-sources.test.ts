import { randomBytes } from 'node:crypto';
import { readFile, readdir, readlink } from 'node:fs/promises';
import path from 'node:path';
import { DATABASES, Deployment, eventually, imageOf } from './support/deployment';
import { describeWithClient, field, glance as runClient } from './support/glance-client';
import { ImageSource } from './support/image-source';

jest.setTimeout(120_000);

const DATA = randomBytes(8 * 1024 * 1024);
const FORMATS = ['--disk-format', 'raw', '--container-format', 'bare'];

describeWithClient().each(DATABASES)('images from another web server on %s', (database) => {
  let source: ImageSource;
  let deployment: Deployment;

  async function deploy(options: Partial<Parameters<typeof Deployment.start>[0]> = {}) {
    deployment = await Deployment.start({
      database,
      ...options,
      api: { ...options.api, glance_store: source.storeOptions },
    });
  }

  beforeEach(async () => {
    source = await ImageSource.start(DATA);
  });

  afterEach(async () => {
    await deployment.stop();
    await source.close();
  });

  const glance = (node: number, ...args: string[]): Promise<string> =>
    runClient(deployment.apiUrls[node]!, 'none', ...args);

  async function statusOf(id: string, node = 0): Promise<string | null> {
    const head = await fetch(`${deployment.apiUrls[node]}/v1/images/${id}`, { method: 'HEAD' });
    return head.headers.get('x-image-meta-status');
  }

  const becomes = (id: string, status: string, node = 0) =>
    eventually(async () => expect(await statusOf(id, node)).toBe(status), 60_000);

  async function download(id: string, node = 0): Promise<Buffer> {
    const file = path.join(deployment.directory, 'copy.raw');
    await glance(node, 'image-download', '--file', file, id);
    return await readFile(file);
  }

  it('are served from there by their location, and from here by a copy', async () => {
    await deploy({ nodes: 2 });
    const create = (option: string, url: string) =>
      glance(0, 'image-create', '--name', 'elsewhere', ...FORMATS, option, url);

    const located = await create('--location', source.url);
    expect(field(located, 'status')).toBe('active');
    expect(field(located, 'size')).toBe(String(DATA.length));
    expect((await download(field(located, 'id'), 1)).equals(DATA)).toBe(true);
    expect(await deployment.filesInStore()).toEqual([]);

    const copied = await create('--copy-from', source.url);
    const id = field(copied, 'id');
    expect(field(copied, 'size')).toBe(String(DATA.length));
    await becomes(id, 'active');
    const reads = source.reads;
    expect((await download(id, 1)).equals(DATA)).toBe(true);
    expect(source.reads).toBe(reads);
    expect(await deployment.filesInStore()).toEqual([id]);

    const missing = create('--copy-from', source.url.replace('disk.raw', 'none'));
    await expect(missing).rejects.toThrow('could not find image at URI');
    await expect(create('--location', 'file:///etc/passwd')).rejects.toThrow('not supported');
    await expect(create('--location', 'http://169.254.169.254/')).rejects.toThrow(
      'lies where this service does not read from',
    );

    for (const each of [id, field(located, 'id')]) await glance(1, 'image-delete', each);
    expect(await deployment.filesInStore()).toEqual([]);
  });

  it('are copied by another process when the one that began is killed', async () => {
    await deploy({
      nodes: 2,
      registry: { uploads: ['lease_seconds = 4', 'sweep_interval = 0.2'] },
      api: {
        copy_from: ['poll_interval = 0.2', 'retry_interval = 1'],
        transfer: ['sweep_interval = 0.2'],
      },
    });
    const release = source.holdBack();
    // Not by the client: it percent-encodes what stands before the host.
    const url = source.url.replace('//', '//user:canary@');
    const created = await fetch(`${deployment.apiUrl}/v1/images`, {
      method: 'POST',
      headers: { 'x-glance-api-copy-from': url },
    });
    const { id } = await imageOf(created);
    await becomes(id, 'saving');
    await eventually(async () => expect(source.reads).toBe(1));
    // Whoever holds the copy, it dies in the middle of it; the other one stays.
    const [holder] = await holdersOf(id);
    holder!.child.kill('SIGKILL');
    await holder!.exited;
    const survivor = deployment.apis.findIndex((each) => each !== holder);
    await eventually(async () => expect(source.reads).toBe(2), 60_000);
    release();
    await becomes(id, 'active', survivor);
    expect((await download(id, survivor)).equals(DATA)).toBe(true);
    // The first attempt has left nothing; the second has a name of its own.
    await eventually(async () =>
      expect(await deployment.filesInStore()).toEqual([expect.stringMatching(`^${id}\\.`)]),
    );
    expect(deployment.logs()).not.toContain('canary');
  });

  it('are handed to another process when the one that began is stopped', async () => {
    await deploy({ nodes: 2, api: { copy_from: ['poll_interval = 0.2', 'attempts = 1'] } });
    const release = source.holdBack();
    const id = field(await glance(0, 'image-create', ...FORMATS, '--copy-from', source.url), 'id');
    await eventually(async () => expect(source.reads).toBe(1));
    const [holder] = await holdersOf(id);
    holder!.child.kill('SIGTERM');
    expect(await holder!.exited).toBe(0);
    const survivor = deployment.apis.findIndex((each) => each !== holder);
    await eventually(async () => expect(source.reads).toBe(2), 30_000);
    release();
    await becomes(id, 'active', survivor);
    expect((await download(id, survivor)).equals(DATA)).toBe(true);
  });

  /** The api processes that write a temporary file of the image now. */
  async function holdersOf(id: string) {
    return await eventually(async () => {
      const holders = [];
      for (const api of deployment.apis) {
        const directory = `/proc/${api.child.pid ?? 0}/fd`;
        const names = await readdir(directory);
        const files = await Promise.all(
          names.map((name) => readlink(path.join(directory, name)).catch(() => '')),
        );
        if (files.some((file) => file.includes(id))) holders.push(api);
      }
      expect(holders).toHaveLength(1);
      return holders;
    });
  }
});
