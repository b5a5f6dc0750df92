import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { CacheDirectory } from './cache-directory';

describe('the directory of an image cache', () => {
  let parent: string;

  beforeEach(async () => {
    parent = await mkdtemp(path.join(os.tmpdir(), 'glance-cache-'));
  });

  afterEach(() => rm(parent, { recursive: true }));

  it('is made with its parents, and may be there', async () => {
    const root = path.join(parent, 'var', 'cache');
    await CacheDirectory.prepare(root);
    const { incomplete } = await CacheDirectory.prepare(root);
    expect(incomplete).toBe(path.join(root, 'incomplete'));
  });

  it.each<[string, RegExp, (root: string) => Promise<unknown>]>([
    ['a store', /directory of a store/, (root) => mkdir(path.join(root, '.part'))],
    [
      'a staging area',
      /directory of a store/,
      (root) => writeFile(path.join(root, '.staging-area'), ''),
    ],
    [
      'a directory of everybody',
      /everybody on this machine may write/,
      (root) => chmod(root, 0o777),
    ],
    [
      'a directory with links',
      /not a directory of its own/,
      (root) => symlink(os.tmpdir(), path.join(root, 'queue')),
    ],
    [
      'a file',
      /EEXIST|ENOTDIR/,
      async (root) => {
        await rm(root, { recursive: true });
        await writeFile(root, '');
      },
    ],
  ])('is not %s', async (_, message, make) => {
    const root = path.join(parent, 'cache');
    await mkdir(root);
    await make(root);
    await expect(CacheDirectory.prepare(root)).rejects.toThrow(message);
    await expect(CacheDirectory.prepare(root)).rejects.toThrow('image_cache_dir = ');
  });
});
