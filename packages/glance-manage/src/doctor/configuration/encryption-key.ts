import { change, ignored, ok, type Finding } from '../finding';
import { placedInFiles, type Subject } from '../subject';

/** Upstream has the key in glance-api.conf; here it is glance-registry that encrypts. */
export function checkKeyPlace({ api, registry }: Subject): Finding[] {
  const found = placedInFiles(api, 'DEFAULT', 'metadata_encryption_key');
  if (found === undefined) return [];
  const place = { where: found.where, option: '[DEFAULT] metadata_encryption_key' };
  const own = registry?.config.DEFAULT.metadata_encryption_key;
  if (own === found.text) return [ignored('glance-registry.conf has the same key', place)];
  return [
    change(
      own === undefined
        ? 'metadata_encryption_key is read from glance-registry.conf: put it there, or no location of an image can be read'
        : 'glance-registry.conf has another key: what was encrypted with this one cannot be read',
      place,
    ),
  ];
}

/** Whether a key that is there can be one. */
export function checkKeyLength({ encryptionKey }: Subject): Finding[] {
  if (encryptionKey === undefined) return [];
  const place = { where: encryptionKey.where, option: '[DEFAULT] metadata_encryption_key' };
  const bytes = Buffer.byteLength(encryptionKey.text);
  return [16, 24, 32].includes(bytes)
    ? [ok(`the key has ${bytes} bytes`, place)]
    : [change(`the key has ${bytes} bytes: it must have 16, 24 or 32`, place)];
}
