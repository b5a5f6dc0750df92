import { chmod, mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { StagingArea } from './staging-area';

describe('a staging area', () => {
  let parent: string;
  let directory: string;
  let warnings: string[];

  beforeEach(async () => {
    parent = await mkdtemp(path.join(os.tmpdir(), 'glance-area-'));
    directory = path.join(parent, 'deep', 'staging');
    warnings = [];
  });

  afterEach(() => rm(parent, { recursive: true }));

  const area = () =>
    new StagingArea(directory, '[DEFAULT] node_staging_uri', (text) => warnings.push(text));

  it('is not there before something is staged, and then for the service alone', async () => {
    expect(await area().openIfThere()).toBeUndefined();
    await area().open();
    expect((await stat(directory)).mode & 0o777).toBe(0o700);
    expect(await area().openIfThere()).toBeDefined();
  });

  it('is the same for all that share the directory, however many are first', async () => {
    const opened = await Promise.all(Array.from({ length: 8 }, () => area().open()));
    expect(new Set(opened.map(({ id }) => id)).size).toBe(1);
    expect((await area().openIfThere())?.id).toBe(opened[0]?.id);
  });

  it('is another for another directory', async () => {
    const first = await area().open();
    directory = path.join(parent, 'other');
    expect((await area().open()).id).not.toBe(first.id);
  });

  it('is refused where everybody may write (security sheet §5)', async () => {
    await mkdir(directory, { recursive: true });
    await chmod(directory, 0o777);
    await expect(area().open()).rejects.toMatchObject({ code: 'store_write_denied' });
    expect(warnings.join()).toContain('node_staging_uri');
    expect(warnings.join()).toContain('everybody');
  });

  it('is refused where something else is, and works once that is mended', async () => {
    await mkdir(path.dirname(directory), { recursive: true });
    await writeFile(directory, 'a file');
    const used = area();
    await expect(used.open()).rejects.toMatchObject({ code: 'store_write_denied' });
    await rm(directory);
    expect((await used.open()).id).toMatch(/^[0-9a-f-]{36}$/);
  });
});
