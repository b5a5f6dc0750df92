const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/**
 * The canonical form of a UUID given with any case, with braces, a `urn:uuid:` prefix or without
 * hyphens, as upstream tolerates them; undefined when the text is not UUID-like.
 */
export function toCanonicalUuid(text: string): string | undefined {
  if (text.length > 64) return undefined;
  const hex = text
    .toLowerCase()
    .replace(/^urn:/, '')
    .replace(/^uuid:/, '')
    .replace(/^\{+|\}+$/g, '')
    .replaceAll('-', '');
  if (!/^[0-9a-f]{32}$/.test(hex)) return undefined;
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    hex.slice(12, 16),
    hex.slice(16, 20),
    hex.slice(20),
  ].join('-');
}

export function isCanonicalUuid(text: string): boolean {
  return UUID.test(text);
}

/** True when the text has a code point above U+FFFF, which the 3-byte utf8 tables cannot hold. */
export function hasFourByteCharacter(text: string): boolean {
  return /[\u{10000}-\u{10FFFF}]/u.test(text);
}

const PROTOTYPE_NAMES = new Set(['__proto__', 'constructor', 'prototype']);

/** Names refused as property, tag or metadata keys (security sheet §5). */
export function isPrototypeName(name: string): boolean {
  return PROTOTYPE_NAMES.has(name);
}

/**
 * A store URI fit for a log line or a message: user info and every query value dropped. Text that
 * does not parse as a URI keeps only its scheme. What stands after the last `@` is no password, what
 * stands before the first `?` no query; where nothing is both, nothing is shown.
 */
export function redactUri(uri: string): string {
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(uri)?.[1];
  if (scheme === undefined) return '***';
  const rest = uri.slice(scheme.length + 1);
  // Clients that percent-encode whole headers send the `@` as %40.
  const user = /^.*(?:@|%40)/is.exec(rest)?.[0] ?? '';
  const query = rest.search(/[?#]|%3f|%23/i);
  const end = query === -1 ? rest.length : query;
  if (user.length > end) return `${scheme}://***`;
  const shown = rest.slice(user.length, end);
  return `${scheme}:${user === '' ? '' : '//***@'}${shown}${query === -1 ? '' : '?***'}`;
}
