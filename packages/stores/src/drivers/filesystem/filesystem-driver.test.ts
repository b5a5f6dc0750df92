import { execFileSync } from 'node:child_process';
import {
  chmod,
  link,
  mkdir,
  readFile,
  readdir,
  rename,
  rm,
  stat,
  symlink,
  unlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { patternBytes, patternSource, readAll, sourceOf } from '../../conformance';
import { hasTool, runStoreJob } from '../../../testing/run-store-job';
import { StoreDirectory, addSettled, newName } from '../../../testing/store-directory';
import type { InstrumentedStore } from '../../instrumented-store';
import { StoreSet } from '../../store-set';

const MIB = 1024 * 1024;
const MISSING = { code: 'store_blob_missing' };
const text = (content: string) => sourceOf(Buffer.from(content));

describe('filesystem store', () => {
  let directory: StoreDirectory;
  let store: InstrumentedStore;
  beforeEach(async () => {
    directory = await StoreDirectory.create();
    store = await directory.open();
  });
  afterEach(() => directory.remove());

  const contentOf = async (locationUrl: string): Promise<string> => {
    const { stream } = await store.get(locationUrl);
    return (await readAll(stream)).toString();
  };

  describe('names and permissions', () => {
    it('names the file by the image id and locates it by its path', async () => {
      const name = newName();
      const { locationUrl } = await addSettled(store, {
        ...name,
        firstAttempt: true,
        source: text('bytes'),
      });
      expect(locationUrl).toBe(`file://${directory.datadir}/${name.imageId}`);
      expect(await readFile(join(directory.datadir, name.imageId), 'utf8')).toBe('bytes');
    });

    it('keeps the name of remains of an earlier attempt, and the remains', async () => {
      const name = newName();
      await writeFile(join(directory.datadir, name.imageId), 'remains');
      const { locationUrl } = await addSettled(store, {
        ...name,
        firstAttempt: true,
        source: text('bytes'),
      });
      expect(locationUrl).toBe(`file://${directory.datadir}/${name.imageId}.${name.uploadId}`);
      expect(await contentOf(locationUrl)).toBe('bytes');
      expect(await readFile(join(directory.datadir, name.imageId), 'utf8')).toBe('remains');
    });

    it('refuses an upload whose both names are taken', async () => {
      const name = newName();
      const taken = [name.imageId, `${name.imageId}.${name.uploadId}`];
      for (const file of taken) await writeFile(join(directory.datadir, file), file);
      const adding = store.add({ ...name, source: text('bytes') });
      await expect(adding).rejects.toMatchObject({ code: 'store_duplicate' });
      expect(await directory.remains()).toEqual(taken);
    });

    it('refuses a second run of the same attempt, and leaves the first alone', async () => {
      const name = newName();
      const second: unknown[] = [];
      const source = patternSource({
        sizeBytes: MIB,
        onRequest: async (delivered) => {
          if (delivered === 0) return;
          const again = store.add({ ...name, source: text('again') });
          second.push(await again.catch((error: unknown) => error));
        },
      });
      const { locationUrl } = await addSettled(store, { ...name, firstAttempt: true, source });
      expect(second[0]).toMatchObject({ code: 'store_duplicate' });
      expect(await store.sizeOf(locationUrl)).toBe(MIB);
      expect(await directory.remains()).toEqual([name.imageId]);
    });

    it('creates files for owner and group, directories closed to others', async () => {
      const name = newName();
      await addSettled(store, { ...name, firstAttempt: true, source: text('bytes') });
      const modeOf = async (...path: string[]) =>
        (await stat(join(directory.datadir, ...path))).mode & 0o777;
      expect((await modeOf(name.imageId)) & 0o137).toBe(0);
      expect((await modeOf()) & 0o027).toBe(0);
      expect((await modeOf('.part')) & 0o027).toBe(0);
    });

    it('gives files the configured permissions, and their readers passage', async () => {
      store = await directory.open({
        filesystem_store_datadir: directory.datadir,
        filesystem_store_file_perm: '0444',
      });
      const name = newName();
      await addSettled(store, { ...name, firstAttempt: true, source: text('bytes') });
      expect((await stat(join(directory.datadir, name.imageId))).mode & 0o777).toBe(0o444);
      expect((await stat(directory.datadir)).mode & 0o011).toBe(0o011);
    });

    it('is readable by upstream’s layout: a plain file put there is served and deleted', async () => {
      const { imageId } = newName();
      await writeFile(join(directory.datadir, imageId), 'from upstream');
      const location = `filesystem://${directory.datadir}/${imageId}`;
      expect(await contentOf(location)).toBe('from upstream');
      await store.delete(location);
      expect(await directory.remains()).toEqual([]);
    });

    it('leaves holes for zeros when provisioning is thin', async () => {
      store = await directory.open({
        filesystem_store_datadir: directory.datadir,
        filesystem_thin_provisioning: 'true',
      });
      const name = newName();
      const chunks = [Buffer.alloc(4 * MIB), patternBytes(MIB), Buffer.alloc(4 * MIB)];
      const { locationUrl } = await addSettled(store, {
        ...name,
        firstAttempt: true,
        source: sourceOf(...chunks),
      });
      const { blocks, size } = await stat(join(directory.datadir, name.imageId));
      expect(size).toBe(9 * MIB);
      expect(blocks * 512).toBeLessThan(2 * MIB);
      const { stream } = await store.get(locationUrl);
      expect((await readAll(stream)).equals(Buffer.concat(chunks))).toBe(true);
    });
  });

  describe('what discard may remove', () => {
    it('is its own file, not one that took the name', async () => {
      const name = newName();
      const path = join(directory.datadir, name.imageId);
      const added = await store.add({ ...name, firstAttempt: true, source: text('mine') });
      await unlink(path);
      await writeFile(path, 'ours');
      await added.discard();
      expect(await readFile(path, 'utf8')).toBe('ours');
    });
  });

  describe('symbolic links', () => {
    const outside = (): string => directory.path('outside');
    beforeEach(() => writeFile(outside(), 'secret'));

    it('planted at the name of the temporary file are not followed', async () => {
      const name = newName();
      await symlink(
        outside(),
        join(directory.datadir, '.part', `${name.imageId}.${name.uploadId}`),
      );
      const adding = store.add({ ...name, source: text('bytes') });
      await expect(adding).rejects.toMatchObject({ code: 'store_duplicate' });
      expect(await readFile(outside(), 'utf8')).toBe('secret');
      expect(await store.listUnfinished()).toEqual([]);
    });

    it('planted at the final name are neither followed nor replaced', async () => {
      const name = newName();
      await symlink(outside(), join(directory.datadir, name.imageId));
      const { locationUrl } = await addSettled(store, {
        ...name,
        firstAttempt: true,
        source: text('bytes'),
      });
      expect(locationUrl).toBe(`file://${directory.datadir}/${name.imageId}.${name.uploadId}`);
      expect(await readFile(outside(), 'utf8')).toBe('secret');
    });

    it('in place of the directory of temporary files stop uploads', async () => {
      await mkdir(directory.path('elsewhere'));
      await rm(join(directory.datadir, '.part'), { recursive: true });
      await symlink(directory.path('elsewhere'), join(directory.datadir, '.part'));
      const adding = store.add({ ...newName(), source: text('bytes') });
      await expect(adding).rejects.toMatchObject({ code: 'store_unavailable' });
      await expect(store.checkWritable()).rejects.toMatchObject({ code: 'store_unavailable' });
      expect(await readdir(directory.path('elsewhere'))).toEqual([]);
      await expect(directory.open()).rejects.toThrow(/\.part is not a directory of its own/);
    });

    it('are no blobs, as file or on the way to one', async () => {
      await symlink(outside(), join(directory.datadir, 'link'));
      await symlink(directory.base, join(directory.datadir, 'up'));
      await symlink('.part', join(directory.datadir, 'part'));
      await writeFile(join(directory.datadir, '.part', 'file'), 'temporary');
      for (const path of ['link', 'up/outside', 'part/file', '.part/file']) {
        const location = `file://${directory.datadir}/${path}`;
        await expect(store.get(location)).rejects.toMatchObject(MISSING);
        await expect(store.sizeOf(location)).rejects.toMatchObject(MISSING);
        await expect(store.delete(location)).rejects.toMatchObject(MISSING);
      }
      expect(await readFile(outside(), 'utf8')).toBe('secret');
      expect((await readdir(directory.datadir)).sort()).toEqual(['.part', 'link', 'part', 'up']);
      expect(await readdir(join(directory.datadir, '.part'))).toEqual(['file']);
    });

    it('lead to the data directory where the operator says so', async () => {
      await symlink(directory.datadir, directory.path('linked'));
      const linked = await directory.open({ filesystem_store_datadir: directory.path('linked') });
      const { locationUrl } = await addSettled(linked, { ...newName(), source: text('bytes') });
      expect(locationUrl).toContain('/linked/');
      expect(await linked.sizeOf(locationUrl)).toBe(5);
      expect(await linked.sizeOf(locationUrl.replace('/linked/', '/images/'))).toBe(5);
      await linked.delete(locationUrl);
      expect(await directory.remains()).toEqual([]);
    });
  });

  describe('forged locations', () => {
    it('reach nothing beside, above or inside the directory that is no blob', async () => {
      await mkdir(directory.path('images2'));
      await writeFile(directory.path('images2', 'file'), 'neighbour');
      await mkdir(join(directory.datadir, 'folder'));
      execFileSync('mkfifo', [join(directory.datadir, 'fifo')]);
      const { datadir } = directory;
      const forged = [
        `file://${directory.path('images2', 'file')}`,
        `file://${datadir}2/file`,
        `file://${datadir}/../images2/file`,
        `file://${datadir}/./../images2/file`,
        `file://${datadir}/folder`,
        `file://${datadir}/folder/`,
        `file://${datadir}/fifo`,
        `file://${datadir}`,
        `file://${datadir}/`,
        `file://${datadir}/${'x'.repeat(5000)}`,
        `file:${datadir}/fifo`,
      ];
      for (const location of forged) {
        await expect(store.get(location)).rejects.toMatchObject(MISSING);
        await expect(store.sizeOf(location)).rejects.toMatchObject(MISSING);
        await expect(store.delete(location)).rejects.toMatchObject(MISSING);
      }
      expect(await readFile(directory.path('images2', 'file'), 'utf8')).toBe('neighbour');
    });

    it('are not claimed', () => {
      const { datadir } = directory;
      const { imageId } = newName();
      expect(store.claims(`file://${datadir}/${imageId}`)).toBe(true);
      expect(store.claims(`filesystem://${datadir}/${imageId}`)).toBe(true);
      const forged = ['/../x', '/./x', '/x/../../y', '/.part/x', '2/x', '/', ''];
      for (const tail of forged) expect(store.claims(`file://${datadir}${tail}`)).toBe(false);
    });

    it('show no path in the refusal', async () => {
      const refusal = await store.get('file:///etc/passwd').catch((error: unknown) => error);
      expect(refusal).toMatchObject({ message: 'The image data is not in this store' });
      expect(JSON.stringify(refusal)).not.toContain('passwd');
    });
  });

  describe('unfinished uploads', () => {
    it('are listed while they run and can be removed by name, which ends them', async () => {
      const name = newName();
      let listed: unknown;
      const source = patternSource({
        sizeBytes: 2 * MIB,
        onRequest: async (delivered) => {
          if (delivered !== MIB) return;
          listed = await store.listUnfinished();
          await store.removeUnfinished(name, 'abandoned');
        },
      });
      await expect(store.add({ ...name, source })).rejects.toMatchObject({
        code: 'store_unavailable',
      });
      expect(listed).toEqual([{ ...name, sizeBytes: MIB, ageSeconds: expect.any(Number) }]);
      expect(await directory.remains()).toEqual([]);
    });

    it('tell their age, and other files there are left alone', async () => {
      const name = newName();
      const part = join(directory.datadir, '.part');
      const old = join(part, `${name.imageId}.${name.uploadId}`);
      await writeFile(old, 'half');
      const hourAgo = new Date(Date.now() - 3_600_000);
      await utimes(old, hourAgo, hourAgo);
      await writeFile(join(part, 'notes.txt'), 'by the operator');
      await mkdir(join(part, Object.values(newName()).join('.')));
      const [only, ...others] = await store.listUnfinished();
      expect(others).toEqual([]);
      expect(only).toMatchObject({ ...name, sizeBytes: 4 });
      expect(only?.ageSeconds).toBeGreaterThanOrEqual(3599);
      await store.removeUnfinished(name, 'abandoned');
      await store.removeUnfinished(name, 'abandoned');
      expect(await store.listUnfinished()).toEqual([]);
    });
  });

  describe('listing', () => {
    const namesOf = async (listing: InstrumentedStore): Promise<string[]> => {
      const names: string[] = [];
      for await (const { name } of listing.listBlobs()) names.push(name);
      return names.sort();
    };

    it('passes over everything that is no blob of a service', async () => {
      const { datadir } = directory;
      const [blob, other] = [newName(), newName()];
      await writeFile(join(datadir, blob.imageId), 'blob');
      await writeFile(join(datadir, 'notes.txt'), 'of the operator');
      await writeFile(join(datadir, `${other.imageId}.bak`), 'of the operator');
      await writeFile(join(datadir, other.imageId.toUpperCase()), 'of the operator');
      await writeFile(join(datadir, `${other.imageId}.${other.uploadId}.1`), 'of the operator');
      await mkdir(join(datadir, other.imageId));
      await writeFile(join(datadir, other.imageId, newName().imageId), 'in a directory below');
      await writeFile(join(datadir, '.part', newName().imageId), 'in the part directory');
      await symlink(join(datadir, blob.imageId), join(datadir, newName().imageId));
      expect(await namesOf(store)).toEqual([blob.imageId]);
    });

    it('takes the age from the last write', async () => {
      const path = join(directory.datadir, newName().imageId);
      await writeFile(path, 'old');
      const time = Date.now() / 1000 - 7200;
      await utimes(path, time, time);
      const ages: number[] = [];
      for await (const { ageSeconds } of store.listBlobs()) ages.push(ageSeconds);
      expect(ages).toEqual([expect.any(Number)]);
      expect(ages[0]).toBeGreaterThanOrEqual(7200);
    });

    it('covers all data directories', async () => {
      const [one, two] = [join(directory.datadir, 'one'), join(directory.datadir, 'two')];
      const both = await directory.open({ filesystem_store_datadirs: [`${one}:1`, `${two}:2`] });
      const [first, second] = [newName().imageId, newName().imageId].sort();
      await writeFile(join(one, first ?? ''), '1');
      await writeFile(join(two, second ?? ''), '2');
      expect(await namesOf(both)).toEqual([first, second]);
    });

    it('takes an unmounted disk for a failure, not for an empty store', async () => {
      await rename(directory.datadir, `${directory.datadir}-elsewhere`);
      await mkdir(directory.datadir);
      await expect(namesOf(store)).rejects.toMatchObject({ code: 'store_unavailable' });
    });
  });

  it('takes an unmounted disk for a failure, not for deleted blobs', async () => {
    const { locationUrl } = await addSettled(store, { ...newName(), source: text('bytes') });
    await rename(directory.datadir, directory.path('unmounted'));
    await mkdir(directory.datadir);
    const failure = { code: 'store_unavailable' };
    await expect(store.delete(locationUrl)).rejects.toMatchObject(failure);
    await expect(store.get(locationUrl)).rejects.toMatchObject(failure);
    await expect(store.checkWritable()).rejects.toMatchObject(failure);
    const adding = store.add({ ...newName(), source: text('bytes') });
    await expect(adding).rejects.toMatchObject(failure);
    expect(await readdir(directory.datadir)).toEqual([]);
    await rm(directory.datadir, { recursive: true });
    await rename(directory.path('unmounted'), directory.datadir);
    expect(await contentOf(locationUrl)).toBe('bytes');
  });

  it('never ends a blob cleanly that was cut short while it was read', async () => {
    const name = newName();
    const { locationUrl } = await addSettled(store, {
      ...name,
      firstAttempt: true,
      source: patternSource({ sizeBytes: 4e6 }),
    });
    const { stream } = await store.get(locationUrl);
    await stream.next();
    await writeFile(join(directory.datadir, name.imageId), 'short');
    await expect(readAll(stream)).rejects.toMatchObject({
      code: 'store_blob_corrupt',
      details: { store: 'files' },
    });
  });

  it('reads in chunks of the configured size, of at least 256 KiB', async () => {
    const { locationUrl } = await addSettled(store, {
      ...newName(),
      source: patternSource({ sizeBytes: 3 * MIB }),
    });
    const firstChunk = async (chunkSize?: string): Promise<number> => {
      const opened = await directory.open({
        filesystem_store_datadir: directory.datadir,
        filesystem_store_chunk_size: chunkSize,
      });
      const { stream } = await opened.get(locationUrl);
      const { value } = await stream.next();
      await stream.return();
      return value?.length ?? 0;
    };
    expect(await firstChunk()).toBe(512 * 1024);
    expect(await firstChunk('65536')).toBe(256 * 1024);
    expect(await firstChunk('1048576')).toBe(MIB);
  });

  it('serves what another process of the service has written', async () => {
    const name = newName();
    await addSettled(store, { ...name, firstAttempt: true, source: text('bytes') });
    await link(join(directory.datadir, name.imageId), join(directory.datadir, 'other'));
    await chmod(join(directory.datadir, 'other'), 0o400);
    expect(await contentOf(`file://${directory.datadir}/other`)).toBe('bytes');
  });
});

describe('a filesystem store that is only looked at', () => {
  let directory: StoreDirectory;
  beforeEach(async () => {
    directory = await StoreDirectory.create();
  });
  afterEach(() => directory.remove());

  const look = (datadir: string) =>
    StoreSet.create(
      {
        stores: [{ id: 'files', type: 'file', options: { filesystem_store_datadir: datadir } }],
        defaultStoreId: 'files',
      },
      { warn: () => undefined, readOnly: true },
    );

  it('makes no directory', async () => {
    const { datadir } = directory;
    await rm(datadir, { recursive: true, force: true });
    await expect(look(datadir)).rejects.toThrow(`${datadir} does not exist`);
    await expect(stat(datadir)).rejects.toThrow('ENOENT');
  });

  it('reads a directory of upstream, which has no part directory, as it is', async () => {
    const { datadir } = directory;
    const { imageId } = newName();
    await mkdir(datadir, { recursive: true, mode: 0o700 });
    await writeFile(join(datadir, imageId), 'bytes');
    const { defaultStore } = await look(datadir);
    await defaultStore.checkReadable();
    expect(await defaultStore.sizeOf(`file://${datadir}/${imageId}`)).toBe(5);
    const other = `file://${datadir}/${newName().imageId}`;
    await expect(defaultStore.sizeOf(other)).rejects.toMatchObject(MISSING);
    expect(await readdir(datadir)).toEqual([imageId]);
    expect((await stat(datadir)).mode & 0o777).toBe(0o700);
    await rm(datadir, { recursive: true });
    await expect(defaultStore.sizeOf(other)).rejects.toMatchObject({ code: 'store_unavailable' });
  });
});

describe('a filesystem store without room or rights', () => {
  let directory: StoreDirectory;
  beforeEach(async () => {
    directory = await StoreDirectory.create();
  });
  afterEach(() => directory.remove());

  const addJob = (sizeBytes: number) => ({
    options: { filesystem_store_datadir: directory.datadir },
    operation: { name: 'add' as const, ...newName(), sizeBytes },
  });

  const itWithMount = hasTool(
    ['unshare', '-m', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt'],
    'full file systems',
  )
    ? it
    : it.skip;

  itWithMount('is full when the disk is, leaves nothing, and has room again', async () => {
    await mkdir(directory.datadir);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', directory.datadir]);
    try {
      const store = await directory.open();
      const adding = store.add({ ...newName(), source: patternSource({ sizeBytes: 8 * MIB }) });
      await expect(adding).rejects.toMatchObject({
        code: 'store_full',
        message: 'There is not enough disk space on the image storage media.',
        cause: expect.objectContaining({ code: 'ENOSPC' }),
      });
      expect(await directory.remains()).toEqual([]);
      const source = patternSource({ sizeBytes: 3 * MIB });
      const { locationUrl } = await addSettled(store, { ...newName(), source });
      expect(await store.sizeOf(locationUrl)).toBe(3 * MIB);
    } finally {
      execFileSync('umount', [directory.datadir]);
    }
  });

  itWithMount('still opens, serves and deletes when the disk is full', async () => {
    await mkdir(directory.datadir);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'nr_inodes=5', 'tmpfs', directory.datadir]);
    try {
      const { imageId } = newName();
      await writeFile(join(directory.datadir, imageId), 'bytes');
      await mkdir(join(directory.datadir, '.part'));
      for (const filler of ['a', 'b']) await writeFile(join(directory.datadir, filler), '');
      const store = await directory.open();
      await expect(store.checkWritable()).rejects.toMatchObject({ code: 'store_full' });
      await store.delete(`file://${directory.datadir}/${imageId}`);
      await store.checkWritable();
    } finally {
      execFileSync('umount', [directory.datadir]);
    }
  });

  const itWithLimit = hasTool(['prlimit', '--version'], 'an upload beyond the file size limit')
    ? it
    : it.skip;

  itWithLimit('is full at the file size limit of the process, and leaves nothing', async () => {
    const { result, signal } = await runStoreJob(addJob(4 * MIB), ['prlimit', '--fsize=1000000']);
    expect(signal).toBeUndefined();
    expect(result).toMatchObject({ code: 'store_full', chain: expect.stringContaining('EFBIG') });
    expect(await directory.remains()).toEqual([]);
  });

  const isRoot = process.getuid?.() === 0;

  it('denies uploads and deletes it has no permission for', async () => {
    const store = await directory.open();
    const { locationUrl } = await addSettled(store, { ...newName(), source: text('bytes') });
    await chmod(directory.base, 0o755);
    await chmod(directory.datadir, 0o555);
    await chmod(join(directory.datadir, '.part'), 0o555);
    const outcomeOf = async (operation: Parameters<typeof runStoreJob>[0]['operation']) => {
      const options = { filesystem_store_datadir: directory.datadir };
      if (!isRoot) return directly(store, operation, locationUrl);
      const { result } = await runStoreJob({ options, operation, userId: 65534 });
      return result;
    };
    const operation = addJob(1).operation;
    expect(await outcomeOf(operation)).toMatchObject({
      code: 'store_write_denied',
      message: 'Permission to write image storage media denied.',
    });
    expect(await outcomeOf({ name: 'checkWritable' })).toMatchObject({
      code: 'store_write_denied',
    });
    expect(await outcomeOf({ name: 'delete', locationUrl })).toMatchObject({
      code: 'store_delete_denied',
    });
    await chmod(directory.datadir, 0o755);
    expect((await directory.remains()).length).toBe(1);
  });
});

/** The failure of an operation in this process, which has no more rights than the child would. */
async function directly(
  store: InstrumentedStore,
  operation: Parameters<typeof runStoreJob>[0]['operation'],
  locationUrl: string,
): Promise<unknown> {
  const attempt =
    operation.name === 'add'
      ? store.add({ ...operation, source: text('x') })
      : operation.name === 'delete'
        ? store.delete(locationUrl)
        : store.checkWritable();
  return attempt.catch((error: unknown) => error);
}
