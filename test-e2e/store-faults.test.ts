import { execFileSync } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { open, truncate, unlink } from 'node:fs/promises';
import path from 'node:path';
import { check } from './support/checker';
import { DATABASES, Deployment, eventually } from './support/deployment';
import { describeWith } from './support/installed';

jest.setTimeout(120_000);

const MIB = 1024 * 1024;

const describeMounted = describeWith(
  'right to mount (for full and read-only stores)',
  ...(['unshare', '-m', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt'] as const),
);

const [database] = DATABASES;

/** A store that fails under a running service (reliability sheet §6). */
describeMounted('a file store that', () => {
  let deployment: Deployment;
  const mount = (...options: string[]) =>
    execFileSync('mount', ['-t', 'tmpfs', ...options, 'tmpfs', deployment.imageDirectory]);

  beforeAll(async () => {
    deployment = await Deployment.start({
      database: database!,
      beforeSync: (fresh) => {
        deployment = fresh;
        mount('-o', 'size=4m');
        return Promise.resolve();
      },
    });
  });

  afterEach(async () => {
    expect(await check(deployment, [], { settleMs: 5_000 })).toEqual([]);
  });

  afterAll(async () => {
    execFileSync('umount', ['-l', deployment.imageDirectory]);
    await deployment.stop();
  });

  async function upload(bytes: Buffer) {
    const id = randomUUID();
    const answer = await fetch(`${deployment.apiUrl}/v1/images`, {
      method: 'POST',
      headers: {
        'content-type': 'application/octet-stream',
        'x-image-meta-id': id,
        'x-image-meta-disk_format': 'raw',
        'x-image-meta-container_format': 'bare',
      },
      body: bytes,
    });
    return { id, status: answer.status, text: await answer.text() };
  }

  const remove = (id: string) =>
    fetch(`${deployment.apiUrl}/v1/images/${id}`, { method: 'DELETE' });
  const download = (id: string) => fetch(`${deployment.apiUrl}/v1/images/${id}`);
  const statusOf = async (id: string) => {
    const head = await fetch(`${deployment.apiUrl}/v1/images/${id}`, { method: 'HEAD' });
    return head.headers.get('x-image-meta-status');
  };

  it('is full says so, keeps nothing of the upload, and takes the next that fits', async () => {
    const tooLarge = await upload(randomBytes(8 * MIB));
    expect(tooLarge.status).toBe(413);
    expect(tooLarge.text).toMatch(/not enough disk space/);
    expect(await statusOf(tooLarge.id)).toBe('killed');
    expect(await deployment.filesInStore()).toEqual([]);
    const fits = await upload(randomBytes(3 * MIB));
    expect(fits.status).toBe(201);
    expect((await remove(fits.id)).status).toBe(200);
  });

  it('becomes read-only refuses uploads, still serves, and recovers', async () => {
    const kept = await upload(Buffer.from('kept'));
    mount('-o', 'remount,ro');
    try {
      const refused = await upload(Buffer.from('refused'));
      expect(refused.status).toBe(503);
      expect(await statusOf(refused.id)).toBe('killed');
      expect(await (await download(kept.id)).text()).toBe('kept');
      await eventually(async () => {
        const ready = await fetch(`${deployment.apiUrl}/readyz`);
        expect([ready.status, await ready.text()]).toEqual([
          503,
          expect.stringContaining('store file'),
        ]);
      }, 60_000);
      expect((await fetch(`${deployment.apiUrl}/livez`)).status).toBe(200);
    } finally {
      mount('-o', 'remount,rw,size=4m');
    }
    expect((await upload(Buffer.from('taken again'))).status).toBe(201);
    expect((await remove(kept.id)).status).toBe(200);
  });

  it('cannot give data up does not delete the image', async () => {
    const { id } = await upload(Buffer.from('still here'));
    mount('-o', 'remount,ro');
    try {
      const refused = await remove(id);
      expect(refused.status).toBeGreaterThanOrEqual(400);
      expect(await refused.text()).not.toContain(deployment.directory);
    } finally {
      mount('-o', 'remount,rw,size=4m');
    }
    expect(await (await download(id)).text()).toBe('still here');
    expect((await remove(id)).status).toBe(200);
  });

  it('has lost or cut a file answers with an error, never with less', async () => {
    const [lost, cut] = [await upload(randomBytes(1000)), await upload(randomBytes(1000))];
    await unlink(path.join(deployment.imageDirectory, lost.id));
    await truncate(path.join(deployment.imageDirectory, cut.id), 999);
    expect((await download(lost.id)).status).toBe(404);
    const answer = await download(cut.id);
    expect(answer.status).toBeGreaterThanOrEqual(500);
    expect(await statusOf(lost.id)).toBe('active');
    for (const { id } of [lost, cut]) expect((await remove(id)).status).toBe(200);
  });

  it('loses the end of a file during a download breaks it', async () => {
    mount('-o', 'remount,rw,size=64m');
    // More than the buffers of the sockets hold.
    const { id } = await upload(randomBytes(48 * MIB));
    const answer = await download(id);
    const reader = answer.body!.getReader();
    const first = await reader.read();
    const file = await open(path.join(deployment.imageDirectory, id), 'r+');
    await file.truncate(first.value!.length);
    await file.close();
    const rest = async () => {
      for (;;) if ((await reader.read()).done) return;
    };
    await expect(rest()).rejects.toThrow();
    expect((await remove(id)).status).toBe(200);
    mount('-o', 'remount,rw,size=4m');
  });
});
