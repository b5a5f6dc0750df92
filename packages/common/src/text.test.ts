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
});
