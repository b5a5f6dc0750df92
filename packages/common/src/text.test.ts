import { hasFourByteCharacter, isCanonicalUuid, redactUri, toCanonicalUuid } from './text';

const ID = '71c675ab-d94f-49cd-a114-e12490b328d9';

describe('toCanonicalUuid', () => {
  it.each([ID, ID.toUpperCase(), ID.replaceAll('-', ''), `{${ID}}`, `urn:uuid:${ID}`])(
    'reads %s',
    (text) => {
      expect(toCanonicalUuid(text)).toBe(ID);
    },
  );

  it.each(['', 'asdf', `${ID}0`, ID.replace('7', 'g'), '../../../etc/passwd', `${ID}\n/x`])(
    'refuses %j',
    (text) => {
      expect(toCanonicalUuid(text)).toBeUndefined();
      expect(isCanonicalUuid(text)).toBe(false);
    },
  );
});

describe('hasFourByteCharacter', () => {
  it('is true above U+FFFF only', () => {
    expect(hasFourByteCharacter('smile \u{1f600}')).toBe(true);
    expect(hasFourByteCharacter('\uffff \u4e2d')).toBe(false);
  });
});

describe('redactUri', () => {
  it.each([
    ['swift+https://user:key@host/v1/c/o', 'swift+https://***@host/v1/c/o'],
    ['s3://AK:S/K@T@host/b/o', 's3://***@host/b/o'],
    ['https://[::1]:80/o?token=x&y=z', 'https://[::1]:80/o?***'],
    ['rbd://fsid/pool/image/snap', 'rbd://fsid/pool/image/snap'],
    ['no uri with pass@word', '***'],
  ])('%s', (uri, shown) => {
    expect(redactUri(uri)).toBe(shown);
  });

  it('keeps nothing of 10,000 generated URIs that is between scheme and host, or after "?"', () => {
    const random = mulberry(20_261);
    const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)] as T;
    for (let round = 0; round < 10_000; round += 1) {
      const { uri, secrets } = generatedUri(pick);
      const shown = redactUri(uri);
      expect(secrets.filter((secret) => shown.includes(secret)).map(() => uri)).toEqual([]);
      expect(shown).toMatch(/^[a-z0-9+]+:/);
      // What was shown once may be shown again.
      expect(redactUri(shown)).toBe(shown);
    }
  });
});

const SCHEMES = ['http', 'https', 'swift+https', 's3', 'rbd', 'file', 'vsphere', 'cinder'];
const HOSTS = ['h', 'h:80', '[::1]', '[fe80::1%25eth0]:8080', '192.0.2.1', '2130706433', ''];
const PARTS = [
  '@',
  ':',
  '/',
  '%40',
  '%2F',
  '%3A',
  '?',
  '#',
  '&',
  '[',
  ']',
  "'",
  '"',
  '\\',
  ' ',
  'é',
];

interface GeneratedUri {
  uri: string;
  secrets: string[];
}

/** A URI with secrets in all the places that have some. */
function generatedUri(pick: <T>(items: readonly T[]) => T, depth = 0): GeneratedUri {
  const secrets: string[] = [];
  const secret = (): string => {
    // Odd characters stand around and within; the pieces must not be there.
    const pieces = [0, 1].map(() => `S${pick(['0', '7', 'a', 'f'])}crtQ${secrets.length}`);
    secrets.push(...pieces);
    return `${pick(PARTS)}${pieces.join(pick(PARTS))}${pick(PARTS)}`;
  };
  const user = pick([
    () => '',
    () => `u:${secret()}@`,
    () => `${secret()}@`,
    () => `a%3Ab:${secret()}%40`,
  ])();
  const nested = (): string => {
    if (depth === 2) return '';
    const inner = generatedUri(pick, depth + 1);
    secrets.push(...inner.secrets);
    return pick([inner.uri, encodeURIComponent(inner.uri)]);
  };
  const query = pick([
    () => '',
    () => `?sig=${secret()}`,
    () => `?u=${nested()}&t=${secret()}`,
    () => `#${secret()}`,
  ])();
  const path = pick(['', '/', '/v1/c/o', '/a/../b', '/%7Euser/x', '/é/☃']);
  return { uri: `${pick(SCHEMES)}://${user}${pick(HOSTS)}${path}${query}`, secrets };
}

/** The same numbers each time. */
function mulberry(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
