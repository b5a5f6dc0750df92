import { checkJsonText } from './json-scan';

const LIMITS = { maxDepth: 4, maxKeys: 5 };
const check = (text: string) => () => {
  checkJsonText(text, LIMITS);
};

describe('JSON text', () => {
  it.each([
    '{"a":1,"b":{"a":1},"c":[{"a":1},{"a":1}]}',
    '{"a":"a","b":"a","c":["a","a"]}',
    String.raw`{"a\"":1,"a":"\",\"a\":1,{{{{","a\\":"\\"}`,
    '{"a":"{[{[{[","b":"]"}',
    '["a","a",["a"],{"a":["a"]}]',
    '{"a":1}{"a":2}',
    '"a"',
    '',
    // No JSON, which the parser tells.
    '}}}]]]',
    '{"a":1,"b',
    String.raw`{"a":"\\\\\\`,
    String.raw`{"\x":1}`,
    ',,,',
  ])('%s passes', (text) => {
    expect(check(text)).not.toThrow();
  });

  it.each([
    '{"a":1,"a":1}',
    '{"a":1,"b":2,"a":{}}',
    '{"a":{"b":[1,{"c":1}],"b":2}}',
    '[{"a":[],"b":{},"a":0}]',
    '{ "a" : 1 ,\n\t"a" : 1 }',
    String.raw`{"\u0061":1,"a":2}`,
    String.raw`{"a\"b":1,"a\u0022b":2}`,
    '{"__proto__":1,"__proto__":2}',
    '{"":1,"":2}',
  ])('%s has a name twice', (text) => {
    expect(check(text)).toThrow(/given twice/);
  });

  it('is as deep as allowed and no deeper', () => {
    expect(check('[[[[]]],[[]],{"a":{}}]')).not.toThrow();
    expect(check('[[[[[')).toThrow('JSON nested deeper than 4 levels');
    expect(check('{"a":{"b":{"c":{"d":{}}}}}')).toThrow(/deeper/);
  });

  it('has as many names in an object as allowed and no more', () => {
    const object = (count: number) =>
      JSON.stringify(Object.fromEntries(Array.from({ length: count }, (_, i) => [`k${i}`, i])));
    expect(check(`[${object(5)},${object(5)}]`)).not.toThrow();
    expect(check(object(6))).toThrow('more than 5 names');
  });

  it('is read once, however it is made', () => {
    // Each of these would take minutes where a string were searched again from each of its marks.
    for (const piece of ['\\', '\\"', '"', '""', '{"', '{"a', '{"a":', '[', ',', '"\\\\"']) {
      const text = piece.repeat(500_000);
      try {
        checkJsonText(text, { maxDepth: 1_000_000, maxKeys: 1_000_000 });
      } catch (error) {
        expect((error as Error).message).toMatch(/given twice/);
      }
      try {
        checkJsonText(`"${text}`, { maxDepth: 1_000_000, maxKeys: 1_000_000 });
      } catch (error) {
        expect((error as Error).message).toMatch(/given twice/);
      }
    }
  });
});
