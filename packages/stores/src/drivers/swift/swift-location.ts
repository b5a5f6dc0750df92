import type { SwiftReference } from './swift-references';

export const SCHEMES = ['swift', 'swift+http', 'swift+https', 'swift+config'] as const;

/** Of the lower-case hexadecimal digits of an image id: what a container can be told apart by. */
export const MAX_SEED = 32;

/** Which places of Swift are those of a store. */
export interface SwiftArea {
  /** By name. The options of the store, where there is no references file, are that of `''`. */
  references: ReadonlyMap<string, SwiftReference>;
  /** The one that new images go to. */
  defaultReference: string;
  container: string;
  /** Digits of the image id in the name of its container; 0 for one container of all. */
  seed: number;
}

/** A blob, or where one may be. */
export interface SwiftPlace {
  reference: string;
  container: string;
  object: string;
}

/**
 * The container of an image: with a seed of N, `<container>_` and the beginning of the image's id
 * with N digits in it (stores sheet §6).
 */
export function containerOf({ container, seed }: SwiftArea, imageId: string): string {
  if (seed === 0) return container;
  let digits = 0;
  let end = 0;
  while (digits < seed && end < imageId.length) {
    if (imageId[end] !== '-') digits += 1;
    end += 1;
  }
  return `${container}_${imageId.slice(0, end)}`;
}

/** Whether a store with this container name, and any seed, may have made it. */
export function isContainerOf(area: SwiftArea, name: string): boolean {
  if (name === area.container) return true;
  const start = `${area.container}_`;
  return name.startsWith(start) && /^[0-9a-f][0-9a-f-]{0,35}$/.test(name.slice(start.length));
}

/** As upstream writes it: with credentials where there is no references file. */
export function toLocation(area: SwiftArea, { reference, container, object }: SwiftPlace): string {
  if (reference !== '') return `swift+config://${reference}/${container}/${object}`;
  const account = area.references.get(reference);
  if (account === undefined) throw new Error('the store has no account of its own');
  const { protocol, rest } = splitAddress(account.authAddress);
  const credentials = `${quote(account.user)}:${quote(account.key)}`;
  return `swift+${protocol}://${credentials}@${rest}/${container}/${object}`;
}

/**
 * The place that a location names. A location that names its account itself, as upstream writes it
 * without a references file, must name one that is configured; the key in it is passed over, so
 * that a new key serves old images and nobody's credentials go to a host that a location chose.
 * @returns undefined for any other place, and for objects that no service makes.
 */
export function placeOf(locationUrl: string, area: SwiftArea): SwiftPlace | undefined {
  const [, scheme, rest] = /^(swift(?:\+https?|\+config)?):\/\/(.+)$/.exec(locationUrl) ?? [];
  if (rest === undefined || rest.includes('://')) return undefined;
  const parts = rest.split('/');
  const object = parts.pop() ?? '';
  const container = parts.pop() ?? '';
  if (!isContainerOf(area, container) || !/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(object)) {
    return undefined;
  }
  const account = parts.join('/');
  const reference = scheme === 'swift+config' ? account : referenceOf(account, area);
  if (reference === undefined || !area.references.has(reference)) return undefined;
  if (scheme === 'swift+config' && reference === '') return undefined;
  return { reference, container, object };
}

/** The configured account of `USER:KEY@AUTHHOST[:PORT][/PATH]`. */
function referenceOf(account: string, area: SwiftArea): string | undefined {
  const at = account.lastIndexOf('@');
  const colon = account.lastIndexOf(':', at);
  if (at < 1 || colon < 1 || colon === at - 1) return undefined;
  const user = unquote(account.slice(0, colon));
  const address = withoutDefaultPort(account.slice(at + 1));
  const candidates = [area.defaultReference, ...area.references.keys()];
  return candidates.find((name) => {
    const known = area.references.get(name);
    if (known === undefined || known.user !== user) return false;
    return withoutDefaultPort(splitAddress(known.authAddress).rest) === address;
  });
}

function splitAddress(address: string): { protocol: string; rest: string } {
  const [protocol = '', rest = ''] = address.split('://');
  return { protocol, rest };
}

function withoutDefaultPort(address: string): string {
  const [host = '', ...path] = address.replace(/\/+$/, '').split('/');
  return [host.toLowerCase().replace(/:(?:80|443)$/, ''), ...path].join('/');
}

/** Everything that could be taken for the end of the credentials. */
function quote(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

function unquote(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
