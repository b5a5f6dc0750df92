import { randomUUID } from 'node:crypto';
import { link, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { PART_DIRECTORY, partName } from './part-directory';
import { removeAttempt } from './remove-attempt';

describe('removing an attempt', () => {
  let directory: string;

  beforeEach(async () => {
    directory = await mkdtemp(path.join(os.tmpdir(), 'glance-attempt-'));
  });

  afterEach(() => rm(directory, { recursive: true }));

  it('leaves nothing of one whose uploader wakes up just then', async () => {
    const parts = path.join(directory, PART_DIRECTORY);
    await mkdir(parts);
    const race = async (delay: number): Promise<void> => {
      const upload = { imageId: randomUUID(), uploadId: randomUUID() };
      const part = path.join(parts, partName(upload.imageId, upload.uploadId));
      await writeFile(part, 'data');
      const removing = removeAttempt(directory, upload, false);
      for (let turn = 0; turn < delay; turn += 1) await new Promise(setImmediate);
      // It has the link, or finds that it was given up.
      await link(part, path.join(directory, upload.imageId)).catch(() => undefined);
      await removing;
    };
    for (let round = 0; round < 50; round += 1) {
      await Promise.all([0, 1, 2, 3, 4, 5, 6, 8, 10, 12].map(race));
    }
    expect((await readdir(directory)).filter((name) => !name.startsWith('.'))).toEqual([]);
    expect(await readdir(parts)).toEqual([]);
  });
});
