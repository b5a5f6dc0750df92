import { toAsciiJson, toWireTime } from './values';

describe('values of columns', () => {
  it('are times without their fraction and with a T', () => {
    expect(toWireTime('2026-01-02 03:04:05')).toBe('2026-01-02T03:04:05');
    expect(toWireTime('2026-01-02 03:04:05.678901')).toBe('2026-01-02T03:04:05');
  });

  it('are JSON in ASCII, whatever it says', () => {
    const value = { name: 'Ünï 名前 😀', 'a"b': null };
    const text = toAsciiJson(value);
    expect(text).toMatch(/^[\x20-\x7e]*$/);
    expect(JSON.parse(text)).toEqual(value);
  });
});
