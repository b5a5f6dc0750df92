import { anImage } from '@glance/registry-client/testing';
import { imageMetaHeaders, parseImageMeta } from './image-headers';

const FORMATS = {
  diskFormats: ['raw', 'qcow2', 'ami', 'ari', 'aki'],
  containerFormats: ['bare', 'ovf', 'ami', 'ari', 'aki'],
};

const parse = (...headers: [string, string][]) =>
  parseImageMeta(
    headers.flatMap(([name, value]) => [name, Buffer.from(value).toString('latin1')]),
    FORMATS,
  );

describe('parseImageMeta', () => {
  it('takes names in any case, with hyphens or underscores', () => {
    expect(
      parse(['X-Image-Meta-Disk-Format', 'raw'], ['x-image-meta-CONTAINER_format', 'bare']),
    ).toEqual({ diskFormat: 'raw', containerFormat: 'bare', properties: [] });
  });

  it('ignores all other headers', () => {
    expect(parse(['X-Auth-Token', 'a'], ['X-Image-Metadata', 'b'])).toEqual({ properties: [] });
  });

  it('reads property names in lower case with underscores, values as they are', () => {
    expect(
      parse(
        ['X-Image-Meta-Property-OS-Distro', 'Úbuntu'],
        ['x-image-meta-property-empty', ''],
        ['x-image-meta-property-quote', "'; DROP TABLE images; --"],
      ).properties,
    ).toEqual([
      ['os_distro', 'Úbuntu'],
      ['empty', null],
      ['quote', "'; DROP TABLE images; --"],
    ]);
  });

  it.each(['1', 't', 'true', 'on', 'y', 'yes', ' TRUE '])('reads %j as true', (text) => {
    expect(parse(['x-image-meta-is_public', text]).isPublic).toBe(true);
  });

  it.each(['0', 'False', 'nonsense', ''])('reads %j as false, without complaint', (text) => {
    expect(parse(['x-image-meta-protected', text]).protected).toBe(false);
  });

  // §11.65
  it('takes "None" for a virtual size that is not known', () => {
    expect(parse(['X-Image-Meta-virtual-size', 'None']).virtualSizeBytes).toBeNull();
  });

  // §11.6
  it('completes one of the Amazon formats by its twin', () => {
    expect(parse(['x-image-meta-disk_format', 'ami'])).toMatchObject({ containerFormat: 'ami' });
    expect(parse(['x-image-meta-container_format', 'aki'])).toMatchObject({ diskFormat: 'aki' });
  });

  // §11.10
  it('accepts the largest integers and refuses the next', () => {
    expect(parse(['x-image-meta-min_disk', '2147483647']).minDisk).toBe(2147483647);
    expect(() => parse(['x-image-meta-min_disk', '2147483648'])).toThrow('value out of range');
    expect(parse(['x-image-meta-size', '9007199254740991']).sizeBytes).toBe(9007199254740991);
    expect(() => parse(['x-image-meta-size', '9007199254740992'])).toThrow('out of range');
  });

  it.each([
    ['x-image-meta-foo', 'a', 'Bad header: x-image-meta-foo'],
    ['x-image-meta-', 'a', 'Bad header: x-image-meta-'],
    ['x-image-meta-__proto__', 'a', 'Bad header'],
    ['x-image-meta-property-', 'a', 'needs a name'],
    ['x-image-meta-property-__proto__', 'a', "'__proto__' is not allowed"],
    ['x-image-meta-property-constructor', 'a', "'constructor' is not allowed"],
    ['x-image-meta-size', 'invalid', "Cannot convert image size 'invalid' to an integer."],
    ['x-image-meta-size', '-10', 'Cannot be a negative value.'],
    ['x-image-meta-size', '', 'Cannot convert image size'],
    ['x-image-meta-size', '1e3', 'Cannot convert'],
    ['x-image-meta-min_ram', '-42', 'Invalid value'],
    ['x-image-meta-disk_format', 'floppy', 'Invalid disk format'],
    ['x-image-meta-disk_format', '', 'Invalid disk format'],
    ['x-image-meta-container_format', 'box', 'Invalid container format'],
    ['x-image-meta-created_at', '-42', 'Invalid time format for created_at'],
    ['x-image-meta-created_at', 'foo', 'Invalid time format'],
    ['x-image-meta-created_at', '1100', 'Invalid time format'],
    ['x-image-meta-updated_at', '2012-01-01hey12:32:12', 'Invalid time format'],
    ['x-image-meta-deleted_at', '2012-02-31T00:00:00', 'Invalid time format'],
    ['x-image-meta-name', 'n'.repeat(256), 'Image name too long'],
    ['x-image-meta-name', 'smile \u{1f600}', "can't contain 4 byte unicode characters"],
    ['x-image-meta-checksum', 'c'.repeat(42), 'Invalid checksum'],
    ['x-image-meta-id', 'asdf', 'Invalid image id format'],
    ['x-image-meta-property-long', 'v'.repeat(65_536), 'longer than 65535 bytes'],
  ])('refuses %s: %.20s', (name, value, text) => {
    expect(() => parse([name, value])).toThrow(text);
  });

  // §11.7
  it('refuses a mix of Amazon formats', () => {
    expect(() =>
      parse(['x-image-meta-disk_format', 'aki'], ['x-image-meta-container_format', 'ami']),
    ).toThrow('Invalid mix');
  });

  it('refuses the same field twice and bytes that are no UTF-8', () => {
    expect(() => parse(['x-image-meta-name', 'a'], ['X-Image-Meta-Name', 'b'])).toThrow(
      'more than once',
    );
    expect(() => parseImageMeta(['x-image-meta-name', '\xff\xfe'], FORMATS)).toThrow(
      'not valid UTF-8',
    );
  });
});

describe('imageMetaHeaders', () => {
  it('prints booleans as Python does, leaves out what is null, and never the location', () => {
    const headers = imageMetaHeaders(anImage({ protected: true, deletedAt: null }));
    expect(headers['x-image-meta-protected']).toBe('True');
    expect(headers['x-image-meta-is_public']).toBe('False');
    expect(headers).not.toHaveProperty('x-image-meta-deleted_at');
    expect(JSON.stringify(headers)).not.toContain('file:///');
  });

  // §11.64
  it('encodes stored text so that it stays one header', () => {
    const headers = imageMetaHeaders(
      anImage({
        name: 'a\r\nX-Evil: y',
        properties: [
          ['Имя (x)', '☃'],
          ['empty', null],
        ],
      }),
    );
    expect(headers['x-image-meta-name']).toBe('a  X-Evil: y');
    expect(headers['x-image-meta-property-%d0%b8%d0%bc%d1%8f%20%28x%29']).toBe(
      Buffer.from('☃').toString('latin1'),
    );
    expect(headers).not.toHaveProperty('x-image-meta-property-empty');
  });
});
