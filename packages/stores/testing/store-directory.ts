import { randomUUID } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FilesystemDriver } from '../src/drivers/filesystem/filesystem-driver';
import { InstrumentedStore } from '../src/instrumented-store';
import type { AddRequest, AddedBlob } from '../src/store-driver';
import type { StoreOptions } from '../src/store-options';

export const newName = (): { imageId: string; uploadId: string } => ({
  imageId: randomUUID(),
  uploadId: randomUUID(),
});

/** A whole upload: its blob belongs to an image. */
export async function addSettled(
  store: InstrumentedStore,
  request: AddRequest,
): Promise<AddedBlob> {
  const added = await store.add(request);
  await added.settle();
  return added;
}

/** Temporary directories and the stores in them, for one test each. */
export class StoreDirectory {
  readonly warnings: string[] = [];

  private constructor(readonly base: string) {}

  static async create(): Promise<StoreDirectory> {
    return new StoreDirectory(await mkdtemp(join(tmpdir(), 'glance-store-')));
  }

  get datadir(): string {
    return join(this.base, 'images');
  }

  path(...names: string[]): string {
    return join(this.base, ...names);
  }

  /** A store in `datadir`, or as the options say. */
  async open(options: StoreOptions = { filesystem_store_datadir: this.datadir }) {
    const warn = (message: string): void => void this.warnings.push(message);
    const driver = await FilesystemDriver.create(options, { storeId: 'files', warn });
    return new InstrumentedStore(driver, { id: 'files', type: 'file' });
  }

  /** Everything in the data directory but the directory of temporary files itself. */
  async remains(): Promise<string[]> {
    const entries = await readdir(this.datadir, { recursive: true });
    return entries.filter((entry) => entry !== '.part').sort();
  }

  async remove(): Promise<void> {
    await rm(this.base, { recursive: true, force: true });
  }
}
