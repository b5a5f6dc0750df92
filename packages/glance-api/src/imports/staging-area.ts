import { randomUUID } from 'node:crypto';
import { link, mkdir, readFile, stat, unlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { DomainError, isCanonicalUuid } from '@glance/common';
import { FILE_STORE, InstrumentedStore } from '@glance/stores';

/** A directory that takes staged data, and who it is whatever node reads it. */
export interface OpenStagingArea {
  id: string;
  store: InstrumentedStore;
}

const WRITABLE_BY_ALL = 0o002;
const ID_FILE = '.staging-area';
const STORE_ID = 'os_glance_staging_store';

/**
 * Where data waits that clients have staged (tasks sheet §4), or where exports are put: a file store
 * of its own. Its data is
 * that of unfinished attempts until its import has ended, so that what nobody needs any more is
 * found as what died uploads leave. A file in it tells nodes that share it from those that do not.
 */
export class StagingArea {
  private opened: OpenStagingArea | undefined;
  private opening: Promise<OpenStagingArea> | undefined;

  constructor(
    private readonly directory: string,
    /** For the operator's log: what names the directory. */
    private readonly option: string,
    private readonly warn: (message: string) => void,
    /** Of the store that it is made of. */
    private readonly storeId = STORE_ID,
  ) {}

  /** Makes it when it is not there. @throws DomainError `store_write_denied`, `store_unavailable` */
  async open(): Promise<OpenStagingArea> {
    if (this.opened) return this.opened;
    this.opening ??= this.prepare();
    try {
      this.opened = await this.opening;
      return this.opened;
    } finally {
      this.opening = undefined;
    }
  }

  /** Undefined when nothing was ever staged here. */
  async openIfThere(): Promise<OpenStagingArea | undefined> {
    if (this.opened) return this.opened;
    const isThere = await stat(path.join(this.directory, ID_FILE)).then(
      () => true,
      () => false,
    );
    return isThere ? await this.open() : undefined;
  }

  async close(): Promise<void> {
    await this.opened?.store.close();
  }

  private async prepare(): Promise<OpenStagingArea> {
    try {
      // Nobody else has business with what is on its way (security sheet §5).
      await mkdir(this.directory, { recursive: true, mode: 0o700 });
      if (((await stat(this.directory)).mode & WRITABLE_BY_ALL) !== 0) {
        throw new Error('everybody on this machine may write it');
      }
      const id = await identify(path.join(this.directory, ID_FILE));
      const context = { storeId: this.storeId, warn: this.warn };
      const options = { filesystem_store_datadir: this.directory };
      const driver = await FILE_STORE.create(options, context);
      return { id, store: new InstrumentedStore(driver, { id: this.storeId, type: 'file' }) };
    } catch (cause) {
      this.warn(
        `The staging area ${this.directory} cannot be used: ${(cause as Error).message}; set ${this.option} to a directory that this service, and nobody else, may write`,
      );
      throw new DomainError('store_write_denied', 'The staging area cannot be written', { cause });
    }
  }
}

async function identify(file: string): Promise<string> {
  const own = randomUUID();
  const draft = `${file}.${own}`;
  await writeFile(draft, `${own}\n`, { mode: 0o600, flag: 'wx' });
  try {
    // Whoever is first names the area; nobody ever reads half a name.
    await link(draft, file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    await unlink(draft);
  }
  const id = (await readFile(file, 'utf8')).trim();
  if (!isCanonicalUuid(id)) throw new Error(`${file} does not hold the id of a staging area`);
  return id;
}
