/** What API v2 says itself about an image; `locations` beside them, where it is shown at all. */
export const LINKS: readonly string[] = ['direct_url', 'self', 'file', 'schema', 'stores'];

const RESERVED: ReadonlySet<string> = new Set(['deleted', 'deleted_at', 'location']);

/** Names that API v2 refuses as properties. */
export function isReservedName(name: string): boolean {
  return RESERVED.has(name);
}

/**
 * Whether a property of the name would be taken for what the service says in API v2. No version
 * of the API takes such a property (security sheet §5).
 */
export function looksLikeService(name: string): boolean {
  return isReservedName(name) || name === 'locations' || LINKS.includes(name);
}
