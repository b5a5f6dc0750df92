export const SCHEMES = ['s3', 's3+http', 's3+https'] as const;

/** The bucket of a store, as its locations name it. */
export interface S3Area {
  scheme: 's3' | 's3+https';
  /** Host, with port and path where it has them; lower case, no slash at its end. */
  host: string;
  bucket: string;
}

export function toArea(endpoint: string, bucket: string): S3Area {
  const url = new URL(endpoint);
  const host = `${url.host}${url.pathname.replace(/\/+$/, '')}`.toLowerCase();
  return { scheme: url.protocol === 'https:' ? 's3+https' : 's3', host, bucket };
}

/** Without credentials, which upstream's store writes into its locations (stores sheet §2). */
export function toLocation({ scheme, host, bucket }: S3Area, key: string): string {
  return `${scheme}://${host}/${bucket}/${key}`;
}

/**
 * The key of a location in the bucket. Credentials in it, as upstream's have, are passed over: the
 * store uses its own.
 * @returns undefined for any other place, and for keys that no service gives to blobs.
 */
export function keyOf(locationUrl: string, area: S3Area): string | undefined {
  const rest = /^s3(?:\+https?)?:\/\/(.+)$/.exec(locationUrl)?.[1];
  if (rest === undefined || rest.includes('://')) return undefined;
  const at = rest.lastIndexOf('@');
  if (at !== -1 && !/^[^:]+:./.test(rest.slice(0, at))) return undefined;
  const parts = rest.slice(at + 1).split('/');
  const key = parts.pop() ?? '';
  const bucket = parts.pop();
  if (bucket !== area.bucket || !sameHost(parts.join('/'), area.host)) return undefined;
  return /^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(key) ? key : undefined;
}

function sameHost(one: string, other: string): boolean {
  return withoutDefaultPort(one) === withoutDefaultPort(other);
}

function withoutDefaultPort(host: string): string {
  return host
    .toLowerCase()
    .replace(/^([^/]*?):(?:80|443)(?=\/|$)/, '$1')
    .replace(/\/+$/, '');
}
