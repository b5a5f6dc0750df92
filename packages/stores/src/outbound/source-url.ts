/** A URL that is read on behalf of a user, parsed once; nobody looks at its text again. */
export interface SourceUrl {
  /** Without user and password. */
  readonly url: URL;
  /** Value of the `Authorization` header, made of user and password. A secret. */
  readonly authorization: string | undefined;
  /** The whole URL in canonical form, user and password included. A secret. */
  readonly href: string;
}

const MAX_LENGTH = 16_384;

/** A host, and a query, or a path that a word as fragment may follow. */
const PLAIN_URL = /^https?:\/\/[^/?#]+(\/[^#]*(#[\w.~-]+)?|\?[^#]*)?$/i;

/**
 * Parses an http or https URL. Numeric hosts in any notation become plain addresses here.
 * Undefined for what is no such URL and for what could be read in two ways: blanks and control
 * characters, backslashes, hosts that are empty or end with a dot, fragments other than a word
 * after a path. A word is kept, which tells one location from another, and never sent.
 */
export function parseSourceUrl(text: string): SourceUrl | undefined {
  // eslint-disable-next-line no-control-regex -- they are what is refused
  if (text.length > MAX_LENGTH || /[\u0000-\u0020\u007f\\]/.test(text)) return undefined;
  if (!PLAIN_URL.test(text) || !URL.canParse(text)) return undefined;
  const url = new URL(text);
  if (url.hostname === '' || url.hostname.endsWith('.')) return undefined;
  const { href, username, password } = url;
  url.username = '';
  url.password = '';
  if (username === '' && password === '') return { url, authorization: undefined, href };
  try {
    const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
    const encoded = Buffer.from(credentials, 'utf8').toString('base64');
    return { url, authorization: `Basic ${encoded}`, href };
  } catch {
    return undefined;
  }
}

/** Whether the data at a location belongs to somebody else: read, never written or removed. */
export function isExternalLocation(locationUrl: string): boolean {
  return /^https?:/i.test(locationUrl);
}

/** The port that is connected to, also when the URL names none. */
export function effectivePort(url: URL): number {
  if (url.port !== '') return Number(url.port);
  return url.protocol === 'https:' ? 443 : 80;
}

/** The host as a resolver or a socket takes it: an IPv6 address without its brackets. */
export function hostOf(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, '');
}
