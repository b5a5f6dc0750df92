import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { DATABASES, Deployment, imageOf } from './support/deployment';
import { describeWithClient, field, glance as runClient } from './support/glance-client';

jest.setTimeout(180_000);

const run = promisify(execFile);

describeWithClient('qemu-img').each(DATABASES)('the unmodified glance client on %s', (database) => {
  let deployment: Deployment;

  beforeAll(async () => {
    deployment = await Deployment.start({ database, nodes: 2 });
  });

  afterAll(async () => {
    await deployment.stop();
  });

  const glance = (node: number, ...args: string[]): Promise<string> =>
    runClient(deployment.apiUrls[node]!, 'none', ...args);

  it('uploads, lists, shows, downloads, changes and deletes real images', async () => {
    const qcow2 = path.join(deployment.directory, 'disk.qcow2');
    const raw = path.join(deployment.directory, 'random.raw');
    await run('qemu-img', ['create', '-q', '-f', 'qcow2', qcow2, '64M']);
    await run('qemu-io', ['-f', 'qcow2', '-c', 'write -P 7 1M 3M', qcow2]).catch(() => undefined);
    await writeFile(raw, randomBytes(16 * 1024 * 1024));

    const ids: string[] = [];
    for (const [file, format] of [
      [qcow2, 'qcow2'],
      [raw, 'raw'],
    ] as const) {
      const created = await glance(
        0,
        'image-create',
        '--name',
        `my-${format}`,
        '--disk-format',
        format,
        '--container-format',
        'bare',
        '--property',
        'os_distro=debian',
        '--file',
        file,
      );
      expect(field(created, 'status')).toBe('active');
      const id = field(created, 'id');
      ids.push(id);

      const copy = path.join(deployment.directory, `copy.${format}`);
      await glance(1, 'image-download', '--file', copy, id);
      expect((await readFile(copy)).equals(await readFile(file))).toBe(true);
    }

    const list = await glance(1, 'image-list');
    expect(list).toContain('my-qcow2');
    expect(list).toContain('my-raw');
    expect(await glance(1, 'image-list', '--name', 'my-raw')).not.toContain('my-qcow2');

    const [id] = ids as [string, string];
    const shown = await glance(1, 'image-show', id);
    expect(field(shown, "Property 'os_distro'")).toBe('debian');

    const updated = await glance(
      0,
      'image-update',
      '--name',
      'renamed',
      '--property',
      'arch=x86_64',
      '--min-ram',
      '512',
      id,
    );
    expect(field(updated, 'name')).toBe('renamed');
    expect(field(updated, 'min_ram')).toBe('512');
    expect(field(updated, "Property 'os_distro'")).toBe('debian');
    const purged = await glance(0, 'image-update', '--purge-props', '--property', 'arch=arm', id);
    expect(field(purged, "Property 'arch'")).toBe('arm');
    expect(purged).not.toContain('os_distro');

    for (const each of ids) await glance(1, 'image-delete', each);
    expect(await glance(0, 'image-list')).not.toContain('renamed');
    expect(await deployment.filesInStore()).toEqual([]);
  });

  it('pages through more images than one answer holds', async () => {
    const ids: string[] = [];
    for (let index = 0; index < 45; index += 1) {
      const answer = await fetch(`${deployment.apiUrl}/v1/images`, {
        method: 'POST',
        headers: { 'x-image-meta-name': `page-${index}` },
      });
      ids.push((await imageOf(answer)).id);
    }
    const list = await glance(0, 'image-list', '--page-size', '10');
    for (let index = 0; index < 45; index += 1) expect(list).toContain(`page-${index} `);
    await Promise.all(
      ids.map((id) => fetch(`${deployment.apiUrl}/v1/images/${id}`, { method: 'DELETE' })),
    );
  });

  it('shows why an upload is refused, although it sends the whole file before it looks', async () => {
    const file = path.join(deployment.directory, 'refused.raw');
    await writeFile(file, randomBytes(64 * 1024 * 1024));
    const attempt = glance(
      0,
      ...[
        'image-create',
        '--name',
        'refused',
        '--disk-format',
        'raw',
        '--container-format',
        'bare',
      ],
      ...['--checksum', 'd41d8cd98f00b204e9800998ecf8427e', '--file', file],
    );
    await expect(attempt).rejects.toThrow('did not match');
    const early = glance(
      0,
      ...['image-create', '--disk-format', 'floppy', '--container-format', 'bare', '--file', file],
    );
    await expect(early).rejects.toThrow("Invalid disk format 'floppy' for image.");
    expect(await deployment.filesInStore()).toEqual([]);
  });

  it('explains a refusal in words', async () => {
    const attempt = glance(
      0,
      'image-create',
      '--disk-format',
      'floppy',
      '--container-format',
      'bare',
    );
    await expect(attempt).rejects.toThrow("Invalid disk format 'floppy' for image.");
  });
});
