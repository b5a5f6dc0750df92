import { DomainError, type ChangeLocations, type ImageRecord } from '@glance/common';
import { HASH_ALGORITHM } from '../../transfer/upload-source';
import { ANNOUNCED_HASHES } from '../schemas/location-schema';

/** What somebody says that the data at a place hashes to. */
export interface ValidationData {
  checksum?: string;
  os_hash_algo: string;
  os_hash_value: string;
}

/** The digests that the locations of one patch announce for their image (api-v2 sheet §9.1). */
export class AnnouncedDigests {
  private readonly announced: Partial<ValidationData> = {};

  constructor(private readonly image: ImageRecord) {}

  /**
   * @throws DomainError `conflict` for what is no digest, is not what was said before, is not what
   * the image has, or comes too late for it.
   */
  add(data: ValidationData | undefined): void {
    if (!data) return;
    if (data.os_hash_algo !== HASH_ALGORITHM) {
      throw refused(`os_hash_algo must be ${HASH_ALGORITHM}, not ${data.os_hash_algo}`);
    }
    checkDigest('os_hash_value', data.os_hash_value, HASH_ALGORITHM);
    if (data.checksum !== undefined) checkDigest('checksum', data.checksum, 'md5');
    const { checksum, hashAlgorithm, hashValue, status } = this.image;
    const known = { checksum, os_hash_algo: hashAlgorithm, os_hash_value: hashValue };
    for (const name of ['checksum', 'os_hash_algo', 'os_hash_value'] as const) {
      const value = data[name]?.toLowerCase();
      if (value === undefined) continue;
      const before = this.announced[name] ?? known[name]?.toLowerCase();
      if (before !== undefined && before !== value) {
        throw refused(`${name} is already set with a different value`);
      }
      if (before === undefined && status !== 'queued') {
        throw refused(`${name} can only be set for a queued image, not when it is ${status}`);
      }
      this.announced[name] = value;
    }
  }

  found(): Pick<ChangeLocations, 'checksum' | 'hash'> {
    const { checksum, os_hash_algo: algorithm, os_hash_value: value } = this.announced;
    return {
      ...(checksum === undefined ? {} : { checksum }),
      ...(algorithm === undefined || value === undefined ? {} : { hash: { algorithm, value } }),
    };
  }
}

function checkDigest(name: string, value: string, algorithm: string): void {
  const digits = ANNOUNCED_HASHES[algorithm] ?? 0;
  if (value.length === digits && /^[0-9a-f]+$/i.test(value)) return;
  throw refused(`${name} must be a ${algorithm} of ${digits} hexadecimal digits`);
}

function refused(message: string): DomainError {
  return new DomainError('conflict', `Invalid validation data: ${message}`);
}
