import { getHashes } from 'node:crypto';
import type { BigIntStats } from 'node:fs';
import type { DataHash, ImageRecord } from '@glance/common';

/** What was found of the data of an entry when it was verified. */
export interface CacheRecord {
  sizeBytes: number;
  /** MD5, hex. */
  checksum: string;
  hash: DataHash;
  /** Which file it was, as {@link fileIdentity} has it. */
  file: string;
}

/** What the data of an image must be for it to be cached: of its hash, or else of its checksum. */
export interface VerifiableData {
  sizeBytes: number;
  /** Where there is no hash. */
  checksum: string | undefined;
  hash: DataHash | undefined;
}

/** Longest first line of a record file. */
export const RECORD_BYTES = 1024;

/** @returns undefined for data that nothing could verify, that is not there, or not to be served. */
export function verifiableData(image: ImageRecord): VerifiableData | undefined {
  const { sizeBytes, hashAlgorithm, hashValue } = image;
  if (image.status !== 'active' || image.deleted || sizeBytes === null || sizeBytes === 0) {
    return undefined;
  }
  const hash =
    hashAlgorithm !== null && hashValue !== null && getHashes().includes(hashAlgorithm)
      ? { algorithm: hashAlgorithm, value: hashValue }
      : undefined;
  const checksum = hash ? undefined : (image.checksum ?? undefined);
  return hash || checksum ? { sizeBytes, checksum, hash } : undefined;
}

/** Whether the record is of this data: by the image's hash, else by its checksum. */
export function describesData(record: CacheRecord, data: VerifiableData): boolean {
  if (record.sizeBytes !== data.sizeBytes) return false;
  const { hash, checksum } = data;
  if (!hash) return same(record.checksum, checksum);
  return record.hash.algorithm === hash.algorithm && same(record.hash.value, hash.value);
}

/**
 * Tells a file from any other that may have its name, and from itself once anybody has written to
 * it: nobody but the kernel sets the time of the last change of an inode.
 */
export function fileIdentity({ ino, size, mtimeNs, ctimeNs }: BigIntStats): string {
  return [ino, size, mtimeNs, ctimeNs].join(':');
}

/** The first line of a record file. */
export function recordLine(record: CacheRecord): string {
  return `${JSON.stringify(record)}\n`;
}

/**
 * @param text the beginning of a record file.
 * @returns undefined for what no process of ours has written.
 */
export function parseRecord(text: string): { record: CacheRecord; lineBytes: number } | undefined {
  const end = text.indexOf('\n');
  if (end === -1) return undefined;
  try {
    const record = JSON.parse(text.slice(0, end)) as Partial<CacheRecord> | null;
    return isRecord(record) ? { record, lineBytes: end + 1 } : undefined;
  } catch {
    return undefined;
  }
}

function isRecord(value: Partial<CacheRecord> | null): value is CacheRecord {
  return (
    typeof value?.sizeBytes === 'number' &&
    typeof value.checksum === 'string' &&
    typeof value.file === 'string' &&
    typeof value.hash?.algorithm === 'string' &&
    typeof value.hash.value === 'string'
  );
}

function same(one: string, other: string | undefined): boolean {
  return one.toLowerCase() === other?.toLowerCase();
}
