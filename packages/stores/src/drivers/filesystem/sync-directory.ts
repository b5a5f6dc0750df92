import { constants } from 'node:fs';
import { mkdir, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errorCodeOf } from './system-errors';

/** Makes the names in a directory survive a power failure. */
export async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * Creates a directory and its missing parents with mode 0750, each name durable. Node's own
 * recursive `mkdir` hides why it failed: a read-only file system looks like a missing directory.
 */
export async function makeDirectory(path: string): Promise<void> {
  try {
    await makeOne(path);
  } catch (error) {
    if (errorCodeOf(error) !== 'ENOENT') throw error;
    await makeDirectory(dirname(path));
    await makeOne(path);
  }
}

/** Another process may be making the same directories: there already is as good as made. */
async function makeOne(path: string): Promise<void> {
  try {
    await mkdir(path, 0o750);
  } catch (error) {
    if (errorCodeOf(error) === 'EEXIST') return;
    throw error;
  }
  await syncDirectory(dirname(path));
}
