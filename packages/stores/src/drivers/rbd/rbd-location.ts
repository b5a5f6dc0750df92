import type { RbdPlace } from './protocol';

export const SCHEMES = ['rbd'] as const;
const PREFIX = 'rbd://';

/** The pool of a store, as its locations name it. */
export interface RbdArea {
  /** Of the cluster; unset, it has not told its own yet, and any may be right. */
  fsid: string | undefined;
  pool: string;
}

/** Every part quoted, with nothing safe (stores sheet §7). */
export function toLocation(
  { fsid, pool }: { fsid: string; pool: string },
  { image, snapshot }: { image: string; snapshot: string },
): string {
  return PREFIX + [fsid, pool, image, snapshot].map(quote).join('/');
}

/**
 * The image of a location in the pool: `rbd://FSID/POOL/IMAGE/SNAPSHOT`, or `rbd://IMAGE`, which is
 * the image itself.
 * @returns undefined for any other place.
 */
export function placeOf(locationUrl: string, area: RbdArea): RbdPlace | undefined {
  if (!locationUrl.startsWith(PREFIX)) return undefined;
  const parts = locationUrl.slice(PREFIX.length).split('/').map(unquote);
  if (parts.some((part) => part === undefined)) return undefined;
  const [first = '', pool, image, snapshot] = parts;
  if (parts.length === 1) return { image: first, snapshot: undefined };
  if (parts.length !== 4 || image === undefined || pool !== area.pool) return undefined;
  return area.fsid === undefined || first === area.fsid ? { image, snapshot } : undefined;
}

/** As Python's `quote` with nothing safe. */
function quote(part: string): string {
  return encodeURIComponent(part).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

/** @returns undefined for what is empty, or not quoted as {@link quote} does. */
function unquote(quoted: string): string | undefined {
  try {
    const part = decodeURIComponent(quoted);
    // The libraries take names that end at a zero, and @ and / are theirs.
    return quote(part) === quoted && /^[^\0/@]+$/.test(part) ? part : undefined;
  } catch {
    return undefined;
  }
}
