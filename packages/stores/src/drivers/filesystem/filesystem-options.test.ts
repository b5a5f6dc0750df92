import { execFileSync } from 'node:child_process';
import { chmod, mkdir, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { patternSource, sourceOf } from '../../conformance';
import { hasTool, runStoreJob } from '../../../testing/run-store-job';
import { StoreDirectory, newName } from '../../../testing/store-directory';

const MIB = 1024 * 1024;

describe('setting up a filesystem store', () => {
  let directory: StoreDirectory;
  beforeEach(async () => {
    directory = await StoreDirectory.create();
  });
  afterEach(() => directory.remove());

  it('creates missing directories, closed to others', async () => {
    await directory.open({ filesystem_store_datadir: directory.path('a', 'b', 'images') });
    for (const path of ['a', 'a/b', 'a/b/images', 'a/b/images/.part']) {
      expect((await stat(directory.path(path))).mode & 0o777 & ~0o750).toBe(0);
    }
    expect(directory.warnings).toEqual([]);
  });

  it.each<[string, Record<string, string | string[]>, RegExp]>([
    [
      'both kinds of directories',
      { filesystem_store_datadir: '/a', filesystem_store_datadirs: ['/b:1'] },
      /option filesystem_store_datadir: is set \(\/a\) and so is filesystem_store_datadirs: set only one/,
    ],
    [
      'no directory at all',
      { filesystem_store_datadir: '' },
      /option filesystem_store_datadir: is empty, .*: set one of them to a path/,
    ],
    [
      'a relative directory',
      { filesystem_store_datadir: 'images' },
      /option filesystem_store_datadir: images is not an absolute path: begin it with \//,
    ],
    [
      'a priority that is no number',
      { filesystem_store_datadirs: ['/a:high'] },
      /option filesystem_store_datadirs: \/a:high: the priority .* must be a whole number/,
    ],
    [
      'a negative priority',
      { filesystem_store_datadirs: ['/a:-1'] },
      /option filesystem_store_datadirs: \/a:-1: the priority .* must be a whole number/,
    ],
    [
      'an empty path',
      { filesystem_store_datadirs: [':5'] },
      /option filesystem_store_datadirs: :5: the path .* must be absolute/,
    ],
    [
      'one directory with two priorities',
      { filesystem_store_datadirs: ['/a:1', '/a/:2'] },
      /option filesystem_store_datadirs: \/a has two priorities, 1 and 2: keep one/,
    ],
    [
      'permissions that are not octal',
      { filesystem_store_file_perm: '0698' },
      /option filesystem_store_file_perm: 0698 is not a number of octal digits/,
    ],
    [
      'permissions without reading for the owner',
      { filesystem_store_file_perm: '0200' },
      /option filesystem_store_file_perm: 0200 .* allow 0400/,
    ],
    [
      'a chunk size of nothing',
      { filesystem_store_chunk_size: '0' },
      /option filesystem_store_chunk_size: must be a whole number, 1 or more/,
    ],
    [
      'a flag that is neither true nor false',
      { filesystem_thin_provisioning: 'maybe' },
      /option filesystem_thin_provisioning: must be true or false/,
    ],
    [
      'a metadata file that is not there',
      { filesystem_store_metadata_file: '/nonexistent.json' },
      /option filesystem_store_metadata_file: \/nonexistent.json cannot be read as JSON/,
    ],
  ])('refuses %s', async (_, options, message) => {
    const opening = directory.open({ filesystem_store_datadir: undefined, ...options });
    await expect(opening).rejects.toMatchObject({
      name: 'StoreConfigurationError',
      message: expect.stringMatching(message),
    });
    await expect(opening).rejects.toThrow(/^store files: /);
  });

  it('names everything that is wrong at once', async () => {
    const opening = directory.open({
      filesystem_store_datadirs: ['relative:1', '/a:b'],
      filesystem_store_file_perm: '8',
    });
    await expect(opening).rejects.toMatchObject({ problems: { length: 3 } });
  });

  it('refuses a path that is a file, below a file, or cannot be made', async () => {
    await writeFile(directory.path('file'), '');
    await symlink('nowhere', directory.path('dangling'));
    for (const path of ['file', 'file/images', 'dangling/images']) {
      const opening = directory.open({ filesystem_store_datadir: directory.path(path) });
      await expect(opening).rejects.toThrow(
        `option filesystem_store_datadir: ${directory.path(path)} `,
      );
    }
  });

  it('refuses temporary files where everybody may write, and warns of such a directory', async () => {
    await directory.open();
    await chmod(directory.datadir, 0o777);
    await directory.open();
    expect(directory.warnings).toEqual([expect.stringContaining('run chmod o-w')]);
    await chmod(join(directory.datadir, '.part'), 0o777);
    await expect(directory.open()).rejects.toThrow(
      /everybody may write to .*\.part: run chmod o-w/,
    );
  });

  const isRoot = process.getuid?.() === 0;
  const itWithUser = isRoot
    ? hasTool(['setpriv', '--reuid=65534', '--clear-groups', 'true'], 'a store without permission')
      ? it
      : it.skip
    : it;

  itWithUser('refuses a directory without permission, and says for whom', async () => {
    await chmod(directory.base, 0o755);
    await mkdir(directory.datadir);
    await chmod(directory.datadir, 0o555);
    const { result, stderr } = await runStoreJob(
      {
        options: { filesystem_store_datadir: directory.datadir },
        operation: { name: 'checkWritable' },
      },
      isRoot ? ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'] : [],
    );
    expect(result).toBeUndefined();
    expect(stderr).toContain(
      `store files: option filesystem_store_datadir: ${directory.datadir} cannot be written by ` +
        'this process (EACCES): give its user read, write and search permission',
    );
  });

  const itWithMount = hasTool(
    ['unshare', '-m', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt'],
    'stores on file systems of their own',
  )
    ? it
    : it.skip;

  itWithMount('refuses a read-only file system', async () => {
    await mkdir(directory.datadir);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'ro', 'tmpfs', directory.datadir]);
    try {
      await expect(directory.open()).rejects.toThrow(/is on a read-only file system \(EROFS\)/);
    } finally {
      execFileSync('umount', [directory.datadir]);
    }
  });

  itWithMount('refuses temporary files on another file system', async () => {
    await directory.open();
    const part = join(directory.datadir, '.part');
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'mode=0750', 'tmpfs', part]);
    try {
      await expect(directory.open()).rejects.toThrow(/\.part is on another file system/);
    } finally {
      execFileSync('umount', [part]);
    }
  });

  describe('with several directories', () => {
    const add = async (priorities: Record<string, string>, sizeBytes: number) => {
      const store = await directory.open({
        filesystem_store_datadirs: Object.entries(priorities).map(
          ([name, priority]) => `${directory.path(name)}${priority}`,
        ),
      });
      const source = patternSource({ sizeBytes });
      const added = await store.add({ ...newName(), source, expectedSizeBytes: sizeBytes });
      expect(await store.sizeOf(added.locationUrl)).toBe(sizeBytes);
      return added.locationUrl.slice(`file://${directory.base}/`.length).split('/')[0];
    };

    it('uses the one of the highest priority, and counts none as 0', async () => {
      expect(await add({ low: '', high: ':100', middle: ':99' }, 1)).toBe('high');
      expect(await add({ low: ':0', other: ':1' }, 1)).toBe('other');
    });

    it('warns of one that is listed twice', async () => {
      await directory.open({
        filesystem_store_datadirs: [`${directory.path('a')}:1`, `${directory.path('a')}/:1`],
      });
      expect(directory.warnings).toEqual([expect.stringMatching(/listed twice with priority 1/)]);
    });

    it('reads and deletes in all of them, and nowhere else', async () => {
      const store = await directory.open({
        filesystem_store_datadirs: [`${directory.path('a')}:1`, `${directory.path('b')}:2`],
      });
      const { imageId } = newName();
      for (const name of ['a', 'b', 'c']) {
        await mkdir(directory.path(name), { recursive: true });
        await writeFile(directory.path(name, imageId), name);
      }
      for (const name of ['a', 'b']) {
        const location = `file://${directory.path(name, imageId)}`;
        expect(store.claims(location)).toBe(true);
        expect(await store.sizeOf(location)).toBe(1);
        await store.delete(location);
      }
      const outside = `file://${directory.path('c', imageId)}`;
      expect(store.claims(outside)).toBe(false);
      await expect(store.delete(outside)).rejects.toMatchObject({ code: 'store_blob_missing' });
    });

    itWithMount('uses the roomiest of one priority, and the next that has room', async () => {
      const sizes = { small: '2m', large: '8m', spare: '16m' };
      const mounted: string[] = [];
      try {
        for (const [name, size] of Object.entries(sizes)) {
          await mkdir(directory.path(name));
          const options = `size=${size},mode=0750`;
          execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', directory.path(name)]);
          mounted.push(directory.path(name));
        }
        const priorities = { small: ':5', large: ':5', spare: ':1' };
        expect(await add(priorities, MIB)).toBe('large');
        expect(await add(priorities, 10 * MIB)).toBe('spare');
        await expect(add(priorities, 10 * MIB)).rejects.toMatchObject({ code: 'store_full' });
      } finally {
        for (const path of mounted) execFileSync('umount', [path]);
      }
    });
  });

  describe('with a metadata file', () => {
    const openWith = async (content: unknown) => {
      const file = directory.path('mounts.json');
      await writeFile(file, typeof content === 'string' ? content : JSON.stringify(content));
      return directory.open({
        filesystem_store_datadir: directory.datadir,
        filesystem_store_metadata_file: file,
      });
    };
    const metadataOf = async (content: unknown) => {
      const store = await openWith(content);
      const source = sourceOf(Buffer.from('x'));
      return (await store.add({ ...newName(), source })).metadata;
    };

    it('records the entry whose mount point holds the file', async () => {
      const entry = { id: 'nfs-1', mountpoint: directory.base, share_location: 'nfs://host/a' };
      expect(await metadataOf(entry)).toEqual(entry);
      const neighbour = { id: 'nfs-0', mountpoint: directory.datadir.slice(0, -1) };
      expect(await metadataOf([neighbour, entry])).toEqual(entry);
      expect(directory.warnings).toEqual([]);
    });

    it('warns once when no entry fits, and records none', async () => {
      expect(await metadataOf({ id: 'a', mountpoint: '/elsewhere' })).toEqual({});
      expect(directory.warnings).toEqual([
        expect.stringContaining(`mounts.json holds ${directory.datadir}`),
      ]);
    });

    it.each([
      ['is not JSON', '{'],
      ['has no id', { mountpoint: '/a' }],
      ['has a number for an id', { id: 1, mountpoint: '/a' }],
      ['has no mountpoint', [{ id: 'a', mountpoint: '/a' }, { id: 'b' }]],
      ['is text', '"a"'],
      ['holds what cannot be location metadata', { id: 'a', mountpoint: '/a', size: 5 }],
    ])('refuses one that %s', async (_, content) => {
      await expect(openWith(content)).rejects.toThrow(
        /option filesystem_store_metadata_file: .*mounts\.json (must be|cannot be read)/,
      );
    });
  });
});
