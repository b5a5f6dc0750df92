import { partBytesAt } from './multipart-upload';

const GIB = 1024 ** 3;

describe('the sizes of parts', () => {
  function reach(expected?: number): number {
    let sum = 0;
    for (let index = 0; index < 10_000; index += 1) sum += partBytesAt(index, 5, expected);
    return sum;
  }

  it('reach the largest object, whether its size is known or not', () => {
    expect(reach()).toBeGreaterThan(5 * 1024 * GIB);
    expect(reach(5 * 1024 * GIB)).toBeGreaterThanOrEqual(5 * 1024 * GIB);
  });

  it('begin with 5 MiB where it is not', () => {
    expect(partBytesAt(0, 10 * 1024 ** 2)).toBe(5 * 1024 ** 2);
    expect(partBytesAt(0, 10 * 1024 ** 2, 1)).toBe(10 * 1024 ** 2);
  });
});
