import { readFile } from 'node:fs/promises';
import { patternBytes, patternSource, readAll } from '../../conformance';
import { hasTool, runStoreJob } from '../../../testing/run-store-job';
import type { JobOutcome } from '../../../testing/run-store-job';
import { StoreDirectory, addSettled, newName } from '../../../testing/store-directory';

const STRACE = hasTool(
  ['strace', '-f', 'true'],
  'order and faults of the system calls of an upload',
);
const describeTraced = STRACE ? describe : describe.skip;
const SIZE = 600_000;
const LARGE = 128 * 1024 * 1024;

describeTraced('an upload, seen from the kernel', () => {
  const name = newName();
  let directory: StoreDirectory;
  beforeEach(async () => {
    directory = await StoreDirectory.create();
    // The directories exist, so that the child makes the same calls each time.
    await directory.open();
  });
  afterEach(() => directory.remove());

  const finalPath = (): string => `${directory.datadir}/${name.imageId}`;
  const partPath = (): string => `${directory.datadir}/.part/${name.imageId}.${name.uploadId}`;

  const add = (
    under: string[],
    options: Record<string, string> = {},
    sizeBytes = SIZE,
  ): Promise<JobOutcome> =>
    runStoreJob(
      {
        options: { filesystem_store_datadir: directory.datadir, ...options },
        operation: {
          name: 'add',
          ...name,
          sizeBytes,
          chunkBytes: Math.max(sizeBytes / 128, 262_144),
        },
      },
      under,
    );

  async function tracedAdd(options: Record<string, string> = {}): Promise<string[]> {
    const log = directory.path('trace');
    const calls = 'openat,fchmod,pwrite64,fdatasync,fsync,close,link,unlink';
    const command = ['strace', '-f', '-y', '-s', '0', '-o', log, '-e', `trace=${calls}`];
    const { result, stderr } = await add(command, options);
    expect([result?.code, stderr]).toEqual(['ok', '']);
    return callsOnUpload(await readFile(log, 'utf8'), directory.datadir, name.imageId);
  }

  it('is durable before it is visible, and complete before it is answered', async () => {
    expect(await tracedAdd({ filesystem_store_file_perm: '640' })).toEqual([
      'openat part exclusive nofollow',
      'fchmod part',
      'pwrite64 part',
      'fdatasync part',
      'close part',
      'link part',
      'fsync directory',
      'unlink part',
    ]);
  });

  it('skips only the syncs when the operator turns them off', async () => {
    expect(await tracedAdd({ filesystem_store_sync: 'false' })).toEqual([
      'openat part exclusive nofollow',
      'pwrite64 part',
      'close part',
      'link part',
      'unlink part',
    ]);
  });

  it('makes the names of new directories durable', async () => {
    const log = directory.path('trace');
    const command = ['strace', '-f', '-y', '-o', log, '-e', 'trace=mkdir,fsync'];
    const deep = directory.path('new', 'images');
    const { result } = await runStoreJob(
      { options: { filesystem_store_datadir: deep }, operation: { name: 'checkWritable' } },
      command,
    );
    expect(result?.code).toBe('ok');
    const synced = [...(await readFile(log, 'utf8')).matchAll(/fsync\(\d+<([^>]+)>\)/g)];
    const paths = synced.map(([, path]) => path);
    expect(paths).toEqual(expect.arrayContaining([directory.base, directory.path('new'), deep]));
  });

  // The first call of each kind is the store's own try-out at its start.
  it.each([
    ['pwrite64', 'ENOSPC', 1, 'store_full'],
    ['pwrite64', 'EDQUOT', 2, 'store_full'],
    ['pwrite64', 'EIO', 2, 'store_unavailable'],
    ['fdatasync', 'EIO', 2, 'store_unavailable'],
    ['fdatasync', 'ENOSPC', 2, 'store_full'],
    ['link', 'EACCES', 2, 'store_write_denied'],
    ['link', 'ENOSPC', 2, 'store_full'],
    ['fsync', 'EIO', 2, 'store_unavailable'],
    ['fsync', 'EDQUOT', 2, 'store_full'],
  ])('leaves nothing when %s fails with %s', async (call, error, nth, code) => {
    const log = directory.path('trace');
    const inject = ['-e', `trace=${call}`, '-e', `inject=${call}:error=${error}:when=${nth}`];
    const { result } = await add(['strace', '-f', '-y', '-o', log, ...inject]);
    expect(result).toMatchObject({
      code,
      chain: expect.stringContaining('caused by'),
      warnings: [],
    });
    expect(await directory.remains()).toEqual([]);
    const trace = await readFile(log, 'utf8');
    expect(trace.split('\n').filter((line) => line.includes('INJECTED'))).toHaveLength(1);
  });

  it('leaves nothing when close fails', async () => {
    const inject = ['-P', partPath(), '-e', 'inject=close:error=EIO:when=1'];
    const { result } = await add(['strace', '-f', '-o', '/dev/null', ...inject]);
    expect(result).toMatchObject({ code: 'store_unavailable', warnings: [] });
    expect(await directory.remains()).toEqual([]);
  });

  it('never syncs a file again whose sync has failed', async () => {
    const log = directory.path('trace');
    const inject = ['-e', 'trace=fdatasync,fsync', '-e', 'inject=fdatasync:error=EIO:when=2'];
    await add(['strace', '-f', '-y', '-o', log, ...inject]);
    const trace = await readFile(log, 'utf8');
    expect(trace.split('\n').filter((line) => line.includes(name.imageId))).toHaveLength(1);
  });

  it('sends a large file to the disk while it grows', async () => {
    const log = directory.path('trace');
    const under = ['strace', '-f', '-y', '-s', '0', '-o', log, '-e', 'trace=pwrite64,fdatasync'];
    const { result } = await add(under, {}, LARGE);
    expect(result?.code).toBe('ok');
    const calls = (await readFile(log, 'utf8')).split('\n').map((line) => line.split(/[ (]+/)[1]);
    const lastWrite = calls.lastIndexOf('pwrite64');
    expect(calls.slice(calls.indexOf('pwrite64'), lastWrite)).toContain('fdatasync');
    expect(calls.slice(lastWrite)).toContain('fdatasync');
  });

  it.each([
    ['while more comes', LARGE],
    ['at the end of the bytes', LARGE / 2],
  ])('leaves nothing when such an early sync fails %s, and syncs no more', async (_, sizeBytes) => {
    const log = directory.path('trace');
    const inject = ['-e', 'trace=fdatasync', '-e', 'inject=fdatasync:error=EIO:when=2'];
    const { result } = await add(['strace', '-f', '-y', '-o', log, ...inject], {}, sizeBytes);
    expect(result).toMatchObject({ code: 'store_unavailable', warnings: [] });
    expect(await directory.remains()).toEqual([]);
    const trace = await readFile(log, 'utf8');
    expect(trace.split('\n').filter((line) => line.includes(name.imageId))).toHaveLength(1);
  });

  it('keeps the blob when the temporary name cannot be removed, which a sweep does later', async () => {
    const inject = ['-P', partPath(), '-e', 'inject=unlink:error=EIO'];
    const { result } = await add(['strace', '-f', '-o', '/dev/null', ...inject]);
    expect(result).toMatchObject({ code: 'store_unavailable' });
    const store = await directory.open();
    expect(await store.listUnfinished()).toMatchObject([name]);
    await store.removeUnfinished(name, 'owned or unknown');
    expect(await store.sizeOf(`file://${finalPath()}`)).toBe(SIZE);
    expect(await directory.remains()).toEqual([name.imageId]);
  });

  it.each([
    ['unfinished', 'pwrite64', 2],
    ['unfinished', 'fdatasync', 2],
    ['unfinished or complete', 'link', 2],
    ['complete', 'fsync', 2],
    ['complete', 'unlink', 3],
  ])('is found, %s, when the process dies in %s', async (state, call, nth) => {
    const inject = ['-e', `trace=${call}`, '-e', `inject=${call}:signal=SIGKILL:when=${nth}`];
    const { result } = await add(['strace', '-f', '-o', '/dev/null', ...inject]);
    expect(result).toBeUndefined();
    const store = await directory.open();
    const visible = (await directory.remains()).includes(name.imageId);
    if (state === 'unfinished') expect(visible).toBe(false);
    if (state === 'complete') expect(visible).toBe(true);
    if (visible) {
      const { stream } = await store.get(`file://${finalPath()}`);
      expect((await readAll(stream)).equals(patternBytes(SIZE))).toBe(true);
    }
    expect(await store.listUnfinished()).toMatchObject([name]);
    await store.removeUnfinished(name, 'abandoned');
    expect(await directory.remains()).toEqual([]);
  });

  it.each([
    ['in the first removal', 'unlink', 3],
    ['between the removals', 'fsync', 3],
    ['in the second removal', 'unlink', 4],
  ])('is found again when the process that discards it dies %s', async (_, call, nth) => {
    const inject = ['-e', `trace=${call}`, '-e', `inject=${call}:signal=SIGKILL:when=${nth}`];
    const operation = { name: 'discard' as const, ...name, sizeBytes: SIZE };
    const { result } = await runStoreJob(
      { options: { filesystem_store_datadir: directory.datadir }, operation },
      ['strace', '-f', '-o', '/dev/null', ...inject],
    );
    expect(result).toBeUndefined();
    const store = await directory.open();
    for (const remains of await store.listUnfinished()) {
      await store.removeUnfinished(remains, 'abandoned');
    }
    expect(await directory.remains()).toEqual([]);
  });

  it('is gone for good when it is deleted', async () => {
    const store = await directory.open();
    const { locationUrl } = await addSettled(store, {
      ...name,
      firstAttempt: true,
      source: patternSource({ sizeBytes: 1 }),
    });
    const log = directory.path('trace');
    const { result } = await runStoreJob(
      {
        options: { filesystem_store_datadir: directory.datadir },
        operation: { name: 'delete', locationUrl },
      },
      ['strace', '-f', '-y', '-o', log, '-e', 'trace=unlink,fsync'],
    );
    expect(result?.code).toBe('ok');
    const trace = await readFile(log, 'utf8');
    expect(trace.slice(trace.indexOf(name.imageId))).toContain(`<${directory.datadir}>`);
  });

  it('ends with an error when the device fails in the middle of a download', async () => {
    const store = await directory.open();
    const { locationUrl } = await addSettled(store, {
      ...name,
      firstAttempt: true,
      source: patternSource({ sizeBytes: 2e6 }),
    });
    const inject = ['-P', finalPath(), '-e', 'inject=pread64:error=EIO:when=3'];
    const { result, stderr } = await runStoreJob(
      {
        options: { filesystem_store_datadir: directory.datadir },
        operation: { name: 'read', locationUrl },
      },
      ['strace', '-f', '-o', '/dev/null', ...inject],
    );
    expect(stderr).toBe('');
    expect(result).toMatchObject({
      code: 'store_unavailable',
      chain: expect.stringContaining('EIO'),
    });
  });
});

/** The calls on the upload's file and the sync of the directory, repeated ones once. */
function callsOnUpload(trace: string, datadir: string, imageId: string): string[] {
  const calls: string[] = [];
  for (const line of trace.split('\n')) {
    const [, call, rest = ''] = /^\d+ +(\w+)\((.*)$/.exec(line) ?? [];
    if (call === undefined) continue;
    const onDirectory = call === 'fsync' && rest.includes(`<${datadir}>`);
    if (!rest.includes(imageId) && !(onDirectory && calls.length > 0)) continue;
    const flags = [
      rest.includes('O_EXCL') ? ' exclusive' : '',
      rest.includes('O_NOFOLLOW') ? ' nofollow' : '',
    ];
    const event = `${call} ${onDirectory ? 'directory' : 'part'}${flags.join('')}`;
    if (calls.at(-1) !== event) calls.push(event);
  }
  return calls;
}
