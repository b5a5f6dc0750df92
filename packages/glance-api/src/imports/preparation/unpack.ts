import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { DomainError } from '@glance/common';
import {
  NO_SUCH_PROGRAM,
  describeExit,
  exitCodeOf,
  textOf,
  type ChildLimits,
  type LimitedRunner,
} from './limited-child';
import { HEAD_BYTES, packingOf, type Packing } from './packing';
import { removeFile } from './work-area';
import { spool } from './spool';
import { unzip } from './unzip';

export type Chunks = AsyncIterable<Uint8Array>;

export interface UnpackOptions {
  runner: LimitedRunner;
  /** The path of a file that may be made and is removed again. */
  packedFile: () => Promise<string>;
  /** Of packed data that has to be kept in a file. */
  maxBytes: number;
  cpuSeconds: number;
  signal: AbortSignal;
}

const MIB = 1024 * 1024;
const MEMORY_BYTES = 1024 * MIB;

/** Programs that unpack from their standard input, and the packages of Debian that have them. */
const PROGRAMS: Readonly<
  Partial<Record<Packing, { command: [string, ...string[]]; from: string }>>
> = {
  xz: { command: ['xz', '-dc', `--memlimit-decompress=${512 * MIB}`], from: 'xz-utils' },
  zstd: { command: ['zstd', '-dcq', '--memory=512MB'], from: 'zstd' },
  bzip2: { command: ['bzip2', '-dc'], from: 'bzip2' },
};

/**
 * Data as it was before it was packed, or unchanged when it is not packed (tasks sheet §7,
 * image_decompression). A chunk is valid until the next one is asked for.
 * @throws DomainError `format_refused` when packed data is damaged or no single file
 */
export async function* unpack(data: Chunks, options: UnpackOptions): AsyncGenerator<Uint8Array> {
  const source = data[Symbol.asyncIterator]();
  try {
    const head = await readHead(source);
    const whole = withHead(head, source);
    const packing = packingOf(head);
    if (packing === undefined) yield* whole;
    else if (packing === 'lha') throw damaged('lha archives cannot be unpacked here');
    else yield* refusingDamage(packing, unpackedBy(packing, whole, options));
  } finally {
    await source.return?.();
  }
}

function unpackedBy(packing: Packing, data: Chunks, options: UnpackOptions): Chunks {
  if (packing === 'gzip') return gunzip(data, options.signal);
  if (packing === 'zip') return unzipped(data, options);
  return byProgram(packing, data, options);
}

async function* gunzip(data: Chunks, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const unpacked = createGunzip();
  const fed = pipeline(copied(data), unpacked, { signal });
  // Whoever reads hears of it.
  fed.catch(() => undefined);
  yield* unpacked as AsyncIterable<Buffer>;
  await fed;
}

/** Only the end of an archive tells what is in it. */
async function* unzipped(data: Chunks, options: UnpackOptions): AsyncGenerator<Uint8Array> {
  const { packedFile, maxBytes, signal } = options;
  const file = await packedFile();
  try {
    await spool(data, file, { maxBytes });
    yield* unzip(file, signal);
  } finally {
    await removeFile(file);
  }
}

async function* byProgram(
  packing: Packing,
  data: Chunks,
  { runner, cpuSeconds, signal }: UnpackOptions,
): AsyncGenerator<Uint8Array> {
  const { command, from } = PROGRAMS[packing] ?? {};
  if (!command) throw new Error(`nothing here unpacks ${packing}`);
  const limits: ChildLimits = { cpuSeconds, memoryBytes: MEMORY_BYTES, fileBytes: 0 };
  const child = await runner.start(command, limits, signal);
  const ended = exitCodeOf(child);
  ended.catch(() => undefined);
  const said = textOf(child.stderr);
  said.catch(() => undefined);
  // When the program ends early its own words say why; when the data fails, that does.
  let dataFailure: unknown;
  const fed = pipeline(copied(data), child.stdin).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code !== 'EPIPE') dataFailure = error;
  });
  try {
    yield* child.stdout as AsyncIterable<Buffer>;
    const exitCode = await ended;
    await fed;
    if (dataFailure !== undefined) throw dataFailure as Error;
    if (exitCode === 0) return;
    if (exitCode === NO_SUCH_PROGRAM) {
      const text = `${packing} data cannot be unpacked on this node: it has no ${command[0]} (package ${from})`;
      throw new DomainError('store_unavailable', text);
    }
    throw damaged(`${command[0]}: ${(await said) || describeExit(exitCode)}`);
  } finally {
    child.kill('SIGKILL');
  }
}

async function* refusingDamage(packing: Packing, data: Chunks): AsyncGenerator<Uint8Array> {
  try {
    yield* data;
  } catch (error) {
    const { code } = error as { code?: unknown };
    const isOfZlib = typeof code === 'string' && /^Z_/.test(code);
    throw isOfZlib ? damaged(`${packing}: ${(error as Error).message}`, error) : error;
  }
}

function damaged(text: string, cause?: unknown): DomainError {
  return new DomainError('format_refused', `The packed data is refused: ${text}`, { cause });
}

async function readHead(source: AsyncIterator<Uint8Array>): Promise<Buffer> {
  let head = Buffer.alloc(0);
  while (head.length < HEAD_BYTES) {
    const next = await source.next();
    if (next.done === true) break;
    head = Buffer.concat([head, next.value]);
  }
  return head;
}

async function* withHead(
  head: Buffer,
  source: AsyncIterator<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  if (head.length > 0) yield head;
  for (;;) {
    const next = await source.next();
    if (next.done === true) return;
    yield next.value;
  }
}

/** What is read ahead must not change under its reader. */
function copied(data: Chunks): Readable {
  const copies = async function* () {
    for await (const chunk of data) yield Buffer.from(chunk);
  };
  return Readable.from(copies(), { objectMode: false, highWaterMark: MIB });
}

export interface PackedExpectation {
  sizeBytes: number;
  /** MD5 */
  checksum: string;
}

/**
 * Data that must be what was kept.
 * @throws DomainError `data_mismatch` at its end
 */
export async function* verified(
  data: Chunks,
  { sizeBytes, checksum }: PackedExpectation,
): AsyncGenerator<Uint8Array> {
  const md5 = createHash('md5');
  let length = 0;
  for await (const chunk of data) {
    md5.update(chunk);
    length += chunk.length;
    yield chunk;
  }
  if (length !== sizeBytes || md5.digest('hex') !== checksum) {
    throw new DomainError('data_mismatch', 'The staged data is no longer what was staged');
  }
}
