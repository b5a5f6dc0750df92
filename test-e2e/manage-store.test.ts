import { randomBytes, randomUUID } from 'node:crypto';
import { utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { DATABASES, Deployment, eventually, imageOf, stopService } from './support/deployment';
import { queryAll } from './support/sql';

jest.setTimeout(120_000);

const DAYS_AGO = Date.now() / 1000 - 3 * 86_400;

describe.each(DATABASES)('glance-manage store on %s', (database) => {
  let deployment: Deployment;
  const images = new Map<string, Buffer>();

  beforeAll(async () => {
    deployment = await Deployment.start({
      database,
      // Two looks a second apart: no test waits for half a day.
      api: {
        orphans: ['sweep_interval = 0', 'confirm_after = 1'],
        transfer: ['sweep_interval = 3600'],
        DEFAULT: ['wakeup_time = 3600', 'deletion_grace = 0'],
      },
      registry: { uploads: ['lease_seconds = 4', 'sweep_interval = 3600'] },
    });
    for (let count = 0; count < 3; count += 1) {
      const data = randomBytes(100_000 + count);
      images.set((await upload(deployment.apiUrl, data)).id, data);
    }
    for (const id of images.keys()) {
      await utimes(path.join(deployment.imageDirectory, id), DAYS_AGO, DAYS_AGO);
    }
  });

  afterAll(async () => {
    await deployment.stop();
  });

  async function upload(apiUrl: string, data: Buffer): Promise<{ id: string }> {
    const answer = await fetch(`${apiUrl}/v1/images`, {
      method: 'POST',
      headers: {
        'content-type': 'application/octet-stream',
        'x-image-meta-disk_format': 'raw',
        'x-image-meta-container_format': 'bare',
      },
      body: data,
    });
    return await imageOf(answer);
  }

  async function expectAllImages(): Promise<void> {
    for (const [id, data] of images) {
      const answer = await fetch(`${deployment.apiUrl}/v1/images/${id}`);
      expect(Buffer.from(await answer.arrayBuffer()).equals(data)).toBe(true);
    }
  }

  it('shows an orphan at the second look and removes it when told to', async () => {
    const orphan = randomUUID();
    const file = path.join(deployment.imageDirectory, orphan);
    await writeFile(file, 'left behind');
    await utimes(file, DAYS_AGO, DAYS_AGO);
    await writeFile(path.join(deployment.imageDirectory, 'notes.txt'), 'of the operator');

    const first = await deployment.manageStore('orphans', '--delete');
    expect(first).toMatchObject({ code: 0, err: '' });
    expect(first.out).toMatch(/0 of 4 blobs are orphans, of 0 bytes; 1 more without an image/);

    const shown = await eventually(async () => {
      const looked = await deployment.manageStore('orphans');
      expect(looked.out).toContain(`store=file image=${orphan} bytes=11 first_seen=`);
      return looked;
    });
    expect(shown).toMatchObject({ code: 0, err: '' });
    expect(shown.out.trim().split('\n')).toHaveLength(2);
    expect(shown.out).toMatch(/1 of 4 blobs are orphans, of 11 bytes.* Nothing is removed/);
    expect(await deployment.filesInStore()).toContain(orphan);

    const removed = await deployment.manageStore('orphans', '--delete', '--max-deletes', '5');
    expect(removed).toMatchObject({ code: 0, err: '' });
    expect(removed.out).toMatch(new RegExp(`Removed a blob .* image=${orphan} .* bytes=11`));
    expect(removed.out).toMatch(/Removed 1 blobs of 11 bytes/);
    expect(await deployment.filesInStore()).toEqual([...images.keys(), 'notes.txt'].sort());
    await expectAllImages();
  });

  it('stops on more orphans than are plausible, unless it is forced', async () => {
    const planted = Array.from({ length: 4 }, () => randomUUID());
    for (const name of planted) {
      await writeFile(path.join(deployment.imageDirectory, name), 'x');
      await utimes(path.join(deployment.imageDirectory, name), DAYS_AGO, DAYS_AGO);
    }
    expect((await deployment.manageStore('orphans', '--delete')).code).toBe(0);
    await eventually(async () => {
      const refused = await deployment.manageStore('orphans', '--delete');
      expect(refused.code).toBe(1);
      expect(refused.err).toMatch(/ERROR: 4 of the 7 blobs .* have no image/);
    });
    expect(await deployment.filesInStore()).toEqual(expect.arrayContaining(planted));
    const forced = await deployment.manageStore('orphans', '--delete', '--force');
    expect(forced).toMatchObject({ code: 0, err: '' });
    expect(forced.out).toMatch(/Removed 4 blobs/);
    await expectAllImages();
  });

  it('ends uploads whose process died and removes what they left', async () => {
    const { url, service } = await deployment.addApi('U6:kill');
    await expect(upload(url, randomBytes(50_000))).rejects.toThrow();
    await stopService(service);
    const left = async () =>
      (await deployment.filesInStore()).filter((name) => name.startsWith('.part/'));
    expect(await left()).toHaveLength(1);

    expect((await deployment.manageStore('unfinished')).out).toMatch(/what 0 uploads left/);
    await eventually(async () => {
      expect(await deployment.manage('db', 'expire_leases')).toMatch(/Rolled back 1 uploads/);
    });
    const swept = await deployment.manageStore('unfinished');
    expect(swept).toMatchObject({ code: 0, err: '' });
    expect(swept.out).toMatch(/Removed what 1 uploads left behind/);
    expect(await deployment.filesInStore()).toEqual([...images.keys(), 'notes.txt'].sort());
  });

  it('finishes a deletion whose process died', async () => {
    const { url, service } = await deployment.addApi('D3:kill');
    const { id } = await upload(url, randomBytes(1000));
    await expect(fetch(`${url}/v1/images/${id}`, { method: 'DELETE' })).rejects.toThrow();
    await stopService(service);
    expect((await deployment.manageStore('deletions')).out).toMatch(/Finished 1 deletions/);
    expect(await deployment.filesInStore()).not.toContain(id);
    const query = `SELECT status FROM images WHERE id = '${id}'`;
    expect(await queryAll(deployment, query)).toEqual([{ status: 'deleted' }]);
  });
});
