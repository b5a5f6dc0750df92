import { crc32 } from 'node:zlib';
import { DomainError } from '@glance/common';
import { openPromise, type ZipFile } from 'yauzl';

/**
 * The one file that a zip archive must hold (tasks sheet §7, image_decompression).
 * @throws DomainError `format_refused` when it holds anything else, or is damaged
 */
export async function* unzip(file: string, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  let archive: ZipFile | undefined;
  try {
    archive = await openPromise(file, { autoClose: false });
    yield* onlyEntry(archive, signal);
  } catch (error) {
    if (error instanceof DomainError || signal.aborted) throw error;
    throw refused(`it is damaged: ${(error as Error).message}`, error);
  } finally {
    archive?.close();
  }
}

async function* onlyEntry(archive: ZipFile, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  if (archive.entryCount !== 1) {
    throw refused(`it holds ${archive.entryCount} files, and must hold one`);
  }
  for await (const entry of archive.eachEntry()) {
    if (entry.fileName.endsWith('/')) throw refused('it holds a directory');
    if (entry.isEncrypted()) throw refused('it is encrypted');
    const chunks: AsyncIterable<Buffer> = await archive.openReadStreamPromise(entry);
    let checksum = 0;
    for await (const chunk of chunks) {
      signal.throwIfAborted();
      checksum = crc32(chunk, checksum);
      yield chunk;
    }
    if (checksum !== entry.crc32) throw refused('it is damaged: its checksum differs');
  }
}

function refused(text: string, cause?: unknown): DomainError {
  return new DomainError('format_refused', `The zip archive is refused: ${text}`, { cause });
}
