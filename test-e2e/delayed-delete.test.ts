import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { check, type JournalEntry } from './support/checker';
import { DATABASES, Deployment, stopService } from './support/deployment';
import { describeWithClient, glance } from './support/glance-client';
import { queryAll } from './support/sql';
import { RAW_BARE, putFileV2, showV2 } from './support/v2-client';

jest.setTimeout(120_000);

const CLIENT = ['--os-image-api-version', '2'];

/** The registry's side runs on each database in its contract suite; here are processes. */
const DATABASE = DATABASES.at(-1)!;

describeWithClient('glance')(`deletion with delay on ${DATABASE}`, () => {
  let deployment: Deployment;
  const journal: JournalEntry[] = [];

  beforeAll(async () => {
    deployment = await Deployment.start({
      database: DATABASE,
      nodes: 2,
      registry: { uploads: ['sweep_interval = 0.5'] },
      api: {
        DEFAULT: ['delayed_delete = true', 'scrub_time = 3600', 'wakeup_time = 0.5'],
        transfer: ['sweep_interval = 0.5'],
      },
    });
  });

  afterAll(async () => {
    await deployment.stop();
  });

  async function upload(): Promise<{ id: string; data: Buffer; entry: JournalEntry }> {
    const id = randomUUID();
    const data = randomBytes(300_000);
    const made = await fetch(`${deployment.apiUrl}/v2/images`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ id, ...RAW_BARE, os_distro: 'debian', tags: ['kept'] }),
    });
    expect(made.status).toBe(201);
    expect(await putFileV2(deployment.apiUrl, id, data)).toBe(204);
    const md5 = createHash('md5').update(data).digest('hex');
    const entry: JournalEntry = { id, md5, stored: true, deletion: 'no' };
    journal.push(entry);
    return { id, data, entry };
  }

  /** @returns the status, or undefined when the connection broke. */
  async function remove(url: string, id: string): Promise<number | undefined> {
    const answer = await fetch(`${url}/v2/images/${id}`, { method: 'DELETE' }).catch(
      () => undefined,
    );
    await answer?.arrayBuffer();
    return answer?.status;
  }

  async function expectHidden(id: string): Promise<void> {
    for (const url of deployment.apiUrls) expect(await showV2(url, id)).toBeUndefined();
    expect(await deployment.filesInStore()).toContain(id);
  }

  const statusOf = async (id: string) =>
    (await queryAll(deployment, `SELECT status FROM images WHERE id = '${id}'`))[0]?.['status'];
  const client = (...args: string[]) => glance(deployment.apiUrl, 'none', ...CLIENT, ...args);
  const scrub = (args: readonly string[] = ['--scrub-time', '0'], failPoints?: string) =>
    deployment.operate('glance-scrubber', args, failPoints === undefined ? {} : { failPoints });
  const findings = () => check(deployment, journal, { settleMs: 20_000 });

  it('is taken back with the data and all that went with the image', async () => {
    const { id, data } = await upload();
    const before = await showV2(deployment.apiUrl, id);
    await client('image-delete', id);
    await expectHidden(id);
    // Whatever the services look for meanwhile, it is not due.
    expect(await scrub([])).toMatchObject({ code: 0, out: 'Finished 0 deletions.\n' });

    expect(await scrub(['--restore', id])).toEqual({
      code: 0,
      out: `Restored image ${id}: it is active.\n`,
      err: '',
    });
    const after = await showV2(deployment.apiUrls[1]!, id);
    expect(after).toEqual({ ...before, updated_at: after?.['updated_at'] });
    const copy = path.join(deployment.directory, 'copy');
    await client('image-download', '--file', copy, id);
    expect((await readFile(copy)).equals(data)).toBe(true);
  });

  it('is taken back by glance-manage, for each image that can be', async () => {
    const [first, active, second] = [await upload(), await upload(), await upload()];
    for (const { id } of [first, second]) expect(await remove(deployment.apiUrl, id)).toBe(204);
    const unknown = randomUUID();
    const ids = [first.id, active.id, unknown, 'x', second.id];
    const restored = await deployment.operate('glance-manage', ['images', 'restore', ...ids]);
    expect(restored.code).toBe(1);
    expect(restored.out.trim().split('\n')).toEqual([
      expect.stringContaining(first.id),
      expect.stringContaining(second.id),
    ]);
    expect(restored.err).toContain(`${active.id} is active, not being deleted`);
    expect(restored.err).toContain(`${unknown} not found`);
    expect(restored.err).toContain('x is not the id of an image');
    expect(await findings()).toEqual([]);
  });

  it('ends when its time has passed, and is final then', async () => {
    const { id, entry } = await upload();
    expect(await remove(deployment.apiUrl, id)).toBe(204);
    entry.deletion = 'acknowledged';
    await expectHidden(id);
    expect((await scrub()).out).toContain('Finished 1 deletions.');
    expect(await deployment.filesInStore()).not.toContain(id);
    const restored = await scrub(['--restore', id]);
    expect(restored).toMatchObject({ code: 1, err: expect.stringContaining('is deleted') });
    expect(await findings()).toEqual([]);
  });

  it('that dies after D1 keeps the image for a restoration', async () => {
    const { id } = await upload();
    const { url, service } = await deployment.addApi('D1:kill');
    expect(await remove(url, id)).toBeUndefined();
    expect(await service.exited).toBe('SIGKILL');
    await expectHidden(id);
    expect((await scrub(['--restore', id])).code).toBe(0);
    expect(await findings()).toEqual([]);
  });

  it.each(['D3', 'D4'])('is finished after a scrubber was killed at %s', async (point) => {
    const { id, entry } = await upload();
    expect(await remove(deployment.apiUrl, id)).toBe(204);
    entry.deletion = 'acknowledged';
    expect((await scrub(['--scrub-time', '0'], `${point}:kill`)).code).toBe('SIGKILL');
    expect(await statusOf(id)).toBe(point === 'D3' ? 'pending_delete' : 'deleted');
    // Its data is gone, or may be.
    expect((await scrub(['--restore', id])).code).toBe(1);
    expect((await scrub()).code).toBe(0);
    expect(await statusOf(id)).toBe('deleted');
    expect(await findings()).toEqual([]);
  });

  it('ends one way when it is restored while scrubbers run', async () => {
    const images = await Promise.all(Array.from({ length: 6 }, upload));
    await Promise.all(images.map(({ id }) => remove(deployment.apiUrl, id)));
    const [restored] = await Promise.all([
      deployment.operate('glance-manage', ['images', 'restore', ...images.map(({ id }) => id)]),
      scrub(),
      scrub(['--scrub-time', '0', '--scrub-pool-size', '3']),
    ]);
    for (const { id, entry } of images) {
      if (!restored.out.includes(id)) entry.deletion = 'acknowledged';
    }
    await scrub();
    // Active with its bytes, or gone with them.
    expect(await findings()).toEqual([]);
  });

  it('is scrubbed by the services themselves once scrub_time has passed', async () => {
    const { id, entry } = await upload();
    expect(await remove(deployment.apiUrl, id)).toBe(204);
    entry.deletion = 'acknowledged';
    const [api] = deployment.apis;
    await stopService(api!);
    const running = await deployment.restart(api!, { GLANCE_API__DEFAULT__SCRUB_TIME: '0' });
    expect(await findings()).toEqual([]);
    expect(running.log()).toContain('Finished a deletion');
  });
});
