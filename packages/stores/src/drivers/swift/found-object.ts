import type { IncomingHttpHeaders } from 'node:http';

/** Names the attempt that an object is of. */
export const UPLOAD_ID = 'x-object-meta-glance-upload-id';
/** Bytes of all segments, on the manifest: a lost segment would only make the blob shorter. */
export const SIZE = 'x-object-meta-glance-size';
export const MANIFEST = 'x-object-manifest';

export interface FoundObject {
  /** What there is of it. */
  sizeBytes: number;
  /** What there must be; undefined where the object itself says it. */
  recordedBytes: number | undefined;
  /** Undefined on an object of upstream's. */
  uploadId: string | undefined;
  modified: Date;
  /** Of a dynamic large object: where its segments are. */
  manifest: { container: string; prefix: string } | undefined;
  /** A static large object, which the server deletes with its segments. */
  isStatic: boolean;
}

/** @throws when the answer does not say how large the object is. */
export function toFound(headers: IncomingHttpHeaders): FoundObject {
  const recordedBytes = toNumber(headers[SIZE]);
  const sizeBytes = toNumber(headers['content-length']) ?? recordedBytes;
  if (sizeBytes === undefined) throw new Error('Swift server: an object without a size');
  const uploadId = headers[UPLOAD_ID];
  const manifest = headers[MANIFEST];
  return {
    sizeBytes,
    recordedBytes,
    uploadId: typeof uploadId === 'string' ? uploadId : undefined,
    modified: new Date(headers['last-modified'] ?? 0),
    manifest: typeof manifest === 'string' ? toManifest(manifest) : undefined,
    isStatic: String(headers['x-static-large-object']).toLowerCase() === 'true',
  };
}

function toManifest(text: string): { container: string; prefix: string } | undefined {
  const slash = text.indexOf('/');
  if (slash < 1) return undefined;
  try {
    return {
      container: decodeURIComponent(text.slice(0, slash)),
      prefix: decodeURIComponent(text.slice(slash + 1)),
    };
  } catch {
    return undefined;
  }
}

function toNumber(text: string | string[] | undefined): number | undefined {
  return typeof text === 'string' && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}
