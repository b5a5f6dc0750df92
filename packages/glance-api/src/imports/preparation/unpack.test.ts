import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { LimitedRunner } from './limited-child';
import { unpack } from './unpack';

const run = promisify(execFile);

/** What users pack with the programs of their machines comes out as it was (tasks sheet §7). */
describe('unpacking', () => {
  const data = Buffer.concat([randomBytes(20_000), Buffer.alloc(3_000_000)]);
  let directory: string;

  beforeAll(async () => {
    directory = await mkdtemp(path.join(os.tmpdir(), 'glance-unpack-'));
    await writeFile(path.join(directory, 'disk.raw'), data);
  });

  afterAll(async () => {
    await rm(directory, { recursive: true });
  });

  /** In chunks of which each is overwritten once the next is asked for, as stores give them. */
  async function* chunksOf(bytes: Buffer, chunkBytes = 65_537): AsyncGenerator<Uint8Array> {
    const memory = Buffer.alloc(chunkBytes);
    for (let start = 0; start < bytes.length; start += chunkBytes) {
      const length = bytes.copy(memory, 0, start, start + chunkBytes);
      await Promise.resolve();
      yield memory.subarray(0, length);
      memory.fill(0xff);
    }
  }

  const unpacked = async (
    bytes: Buffer,
    options: { signal?: AbortSignal; maxBytes?: number; chunkBytes?: number } = {},
  ): Promise<Buffer> => {
    const { signal = new AbortController().signal, maxBytes = 1e9, chunkBytes } = options;
    const stream = unpack(chunksOf(bytes, chunkBytes), {
      runner: new LimitedRunner(() => undefined),
      packedFile: () => Promise.resolve(path.join(directory, 'work.packed')),
      maxBytes,
      cpuSeconds: 30,
      signal,
    });
    const pieces: Buffer[] = [];
    for await (const piece of stream) pieces.push(Buffer.from(piece));
    return Buffer.concat(pieces);
  };
  const drain = async (stream: AsyncGenerator<Uint8Array>): Promise<void> => {
    while ((await stream.next()).done !== true);
  };
  const packedBy = async (program: string, ...args: string[]): Promise<Buffer> => {
    const options = { cwd: directory, encoding: 'buffer', maxBuffer: 1e8 } as const;
    return (await run(program, args, options)).stdout;
  };
  const zipped = async (...files: string[]): Promise<Buffer> => {
    const archive = path.join(directory, 'archive.zip');
    await rm(archive, { force: true });
    const script =
      'import sys, zipfile\nwith zipfile.ZipFile(sys.argv[1], "w", zipfile.ZIP_DEFLATED) as z:\n  for f in sys.argv[2:]: z.write(f)';
    await run('python3', ['-c', script, archive, ...files], { cwd: directory });
    return await readFile(archive);
  };

  it.each([
    ['gzip', ['gzip', '-c', 'disk.raw']],
    ['xz', ['xz', '-c', 'disk.raw']],
    ['zstd', ['zstd', '-qc', 'disk.raw']],
    ['bzip2', ['bzip2', '-c', 'disk.raw']],
  ])('gives back what %s packed', async (_name, [program = '', ...args]) => {
    const packed = await packedBy(program, ...args);
    expect(packed.length).toBeLessThan(data.length);
    expect((await unpacked(packed)).equals(data)).toBe(true);
    expect((await unpacked(packed, { chunkBytes: 3 })).equals(data)).toBe(true);
  });

  it('gives back the one file of a zip archive, and keeps nothing of it', async () => {
    expect((await unpacked(await zipped('disk.raw'))).equals(data)).toBe(true);
    expect(await readdir(directory)).not.toContain('work.packed');
  });

  it('gives back all members of a gzip file', async () => {
    const packed = Buffer.concat([gzipSync('one '), gzipSync('two')]);
    expect((await unpacked(packed)).toString()).toBe('one two');
  });

  it.each(['', 'x', 'PK', 'plain data'])('leaves %j as it is', async (text) => {
    expect((await unpacked(Buffer.from(text))).toString()).toBe(text);
    expect((await unpacked(Buffer.from(text), { chunkBytes: 1 })).toString()).toBe(text);
  });

  it.each(['gzip', 'xz', 'zstd', 'bzip2'])(
    'refuses data of %s that is cut off',
    async (program) => {
      const packed = await packedBy(program, '-c', 'disk.raw');
      const half = unpacked(packed.subarray(0, packed.length / 2));
      await expect(half).rejects.toMatchObject({ code: 'format_refused' });
    },
  );

  it('refuses archives that hold no single file, or a damaged one', async () => {
    await writeFile(path.join(directory, 'second'), 'more');
    const two = unpacked(await zipped('disk.raw', 'second'));
    await expect(two).rejects.toThrow('it holds 2 files, and must hold one');
    const packed = await zipped('second');
    packed[packed.indexOf('second') + 'second'.length + 1]! ^= 0xff;
    await expect(unpacked(packed)).rejects.toMatchObject({ code: 'format_refused' });
    const cut = unpacked(packed.subarray(0, packed.length - 5));
    await expect(cut).rejects.toThrow(/zip archive is refused: it is damaged/);
    expect(await readdir(directory)).not.toContain('work.packed');
  });

  it('refuses lha archives rather than storing them as they are', async () => {
    const head = Buffer.from('\x20\x00-lh5-rest of an archive', 'latin1');
    await expect(unpacked(head)).rejects.toThrow('lha archives');
  });

  it('keeps no more packed data than an image may have', async () => {
    const large = unpacked(await zipped('disk.raw'), { maxBytes: 1000 });
    await expect(large).rejects.toMatchObject({ code: 'too_large' });
  });

  it('hands on why the data itself could not be read', async () => {
    const packed = await packedBy('xz', '-c', 'disk.raw');
    async function* failing(): AsyncGenerator<Uint8Array> {
      yield await Promise.resolve(packed.subarray(0, 1000));
      throw new Error('the source went away');
    }
    const stream = unpack(failing(), {
      runner: new LimitedRunner(() => undefined),
      packedFile: () => Promise.reject(new Error('not needed')),
      maxBytes: 1e9,
      cpuSeconds: 30,
      signal: new AbortController().signal,
    });
    await expect(drain(stream)).rejects.toThrow('the source went away');
  });

  it.each(['gzip', 'xz'])('ends %s when it is told to', async (program) => {
    const ending = new AbortController();
    const packed = await packedBy(program, '-c', 'disk.raw');
    async function* endless(): AsyncGenerator<Uint8Array> {
      yield packed.subarray(0, 10_000);
      ending.abort(new Error('no more'));
      await new Promise((_resolve, reject) => {
        ending.signal.addEventListener('abort', () => reject(ending.signal.reason as Error));
        if (ending.signal.aborted) reject(ending.signal.reason as Error);
      });
    }
    const stream = unpack(endless(), {
      runner: new LimitedRunner(() => undefined),
      packedFile: () => Promise.reject(new Error('not needed')),
      maxBytes: 1e9,
      cpuSeconds: 30,
      signal: ending.signal,
    });
    await expect(drain(stream)).rejects.toThrow();
  });
});
