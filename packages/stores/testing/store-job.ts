import { DomainError, describeError } from '@glance/common';
import { FilesystemDriver } from '../src/drivers/filesystem/filesystem-driver';
import { InstrumentedStore } from '../src/instrumented-store';
import { patternSource, readAll } from '../src/conformance/pattern';
import type { StoreOptions } from '../src/store-options';

/** One operation of a filesystem store, for a process that a test watches, limits or kills. */
export interface StoreJob {
  options: StoreOptions;
  operation:
    | {
        name: 'add' | 'discard';
        imageId: string;
        uploadId: string;
        sizeBytes: number;
        chunkBytes?: number;
      }
    | { name: 'read' | 'delete'; locationUrl: string }
    | { name: 'checkWritable' };
  /** Root gives its rights away to this user once the store is set up. */
  userId?: number;
}

export interface StoreJobResult {
  code: string;
  message?: string;
  /** Messages and system error codes of the whole chain. */
  chain?: string;
  locationUrl?: string;
  sizeBytes?: number;
  warnings: string[];
}

async function run({ options, operation, userId }: StoreJob): Promise<StoreJobResult> {
  const warnings: string[] = [];
  const warn = (message: string): void => void warnings.push(message);
  const driver = await FilesystemDriver.create(options, { storeId: 'files', warn });
  const store = new InstrumentedStore(driver, { id: 'files', type: 'file' });
  if (userId !== undefined) {
    process.setgroups?.([]);
    process.setgid?.(userId);
    process.setuid?.(userId);
  }
  try {
    switch (operation.name) {
      case 'add':
      case 'discard': {
        const source = patternSource(operation);
        const added = await store.add({ ...operation, firstAttempt: true, source });
        await (operation.name === 'add' ? added.settle() : added.discard());
        return { code: 'ok', locationUrl: added.locationUrl, sizeBytes: added.sizeBytes, warnings };
      }
      case 'read': {
        const { stream } = await store.get(operation.locationUrl);
        return { code: 'ok', sizeBytes: (await readAll(stream)).length, warnings };
      }
      case 'delete':
        await store.delete(operation.locationUrl);
        return { code: 'ok', warnings };
      case 'checkWritable':
        await store.checkWritable();
        return { code: 'ok', warnings };
    }
  } catch (error) {
    const { code, message } =
      error instanceof DomainError ? error : { code: 'not a domain error', message: '' };
    return { code, message, chain: describeError(error), warnings };
  }
}

if (require.main === module) {
  run(JSON.parse(process.argv[2] ?? '') as StoreJob).then(
    (result) => {
      process.stdout.write(JSON.stringify(result));
    },
    (error: unknown) => {
      process.stderr.write(describeError(error));
      process.exitCode = 1;
    },
  );
}
