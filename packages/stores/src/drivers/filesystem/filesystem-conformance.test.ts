import { mkdtemp, readdir, readlink, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describeStoreConformance } from '../../conformance';
import type { StoreOptions } from '../../store-options';
import { FilesystemDriver } from './filesystem-driver';

describe.each<[string, StoreOptions]>([
  ['filesystem', {}],
  ['filesystem, thin', { filesystem_thin_provisioning: 'true' }],
  ['filesystem, not synced', { filesystem_store_sync: 'false' }],
])('%s', (name, options) => {
  describeStoreConformance(name, {
    capabilities: { add: true, delete: true, partialRead: true, list: true },
    boundedMemory: true,
    forgedLocations: [
      'file:///etc/passwd',
      'filesystem:///etc/passwd',
      'file://root/../../etc/passwd',
      'file://etc/passwd',
      'file:etc/passwd',
      'file:../../etc/passwd',
      'file://',
      'file:///',
      'FILE:///etc/passwd',
    ],
    async create() {
      const base = await mkdtemp(join(tmpdir(), 'glance-store-'));
      const datadir = join(base, 'images');
      const driver = await FilesystemDriver.create(
        { filesystem_store_datadir: datadir, ...options },
        { storeId: 'files', warn: (message) => expect(message).toBe('no warning') },
      );
      return {
        driver,
        remains: async () => {
          const entries = await readdir(datadir, { recursive: true });
          return entries.filter((entry) => entry !== '.part');
        },
        openReaders: () => openFilesBelow(base),
        takeAway: () => rename(datadir, join(base, 'elsewhere')),
        dispose: () => rm(base, { recursive: true }),
      };
    },
  });
});

async function openFilesBelow(directory: string): Promise<number> {
  const descriptors = await readdir('/proc/self/fd');
  const targets = await Promise.all(
    descriptors.map((descriptor) => readlink(`/proc/self/fd/${descriptor}`).catch(() => '')),
  );
  return targets.filter((target) => target.startsWith(directory)).length;
}
