import { imageListQuerySchema } from './list-schemas';
import { checkMemberId, replaceMembersSchema } from './member-schemas';
import { checkAgainst } from './schema-parts';
import { createImageSchema } from './schemas';

const create = (image: object) => checkAgainst(createImageSchema, { image });

describe('the contract schemas', () => {
  it('take an image of no fields', () => {
    expect(create({})).toEqual({ image: {} });
  });

  it.each([
    ['an id that is none', { id: '../x' }, 'image.id'],
    ['an object where text belongs', { name: { toString: 1 } }, 'image.name'],
    ['a number that is none', { minDisk: NaN }, 'image.minDisk'],
    ['an unsafe integer', { sizeBytes: 2 ** 60 }, 'image.sizeBytes'],
    ['text that looks like a number', { sizeBytes: '1' }, 'image.sizeBytes'],
    ['an unknown field', { colour: 'red' }, 'image.colour'],
    ['a character beyond the tables', { name: '\u{1f600}' }, '4 byte unicode'],
    ['NUL', { name: 'a\0b' }, 'NUL'],
    ['a prototype name', { properties: [['__proto__', 'x']] }, "'__proto__' is not allowed"],
    ['a property without a name', { properties: [['', 'x']] }, 'properties'],
    ['a property without a value', { properties: [['a']] }, 'properties'],
  ])('refuse %s and say where', (_what, image, text) => {
    expect(() => create(image)).toThrow(text);
  });

  it('refuse sort keys that are no column', () => {
    const query = {
      scope: 'caller',
      memberStatus: 'all',
      deleted: false,
      sort: [{ key: 'id;drop', direction: 'asc' }],
      limit: 1,
    };
    expect(() => checkAgainst(imageListQuerySchema, query)).toThrow('sort');
  });

  it.each(['a', 'b/c', 'ü', '...', 'x'.repeat(255), '%s', '__proto__'])(
    'take the member id %j',
    (id) => {
      expect(() => checkMemberId(id)).not.toThrow();
    },
  );

  it.each(['', '.', '..', 'x'.repeat(256), 'a\0', '\u{1f600}', '\ud800'])(
    'refuse the member id %j',
    (id) => {
      expect(() => checkMemberId(id)).toThrow('memberId');
      const request = { members: [{ memberId: id }], memberQuota: null };
      expect(() => checkAgainst(replaceMembersSchema, request)).toThrow('memberId');
    },
  );
});
