import { requestedRange } from './byte-range';

/** Of three bytes, as the sheet has them. */
const SIZE = 3;

describe('requestedRange', () => {
  it('is all of the data without a header', () => {
    expect(requestedRange({}, SIZE)).toBeUndefined();
  });

  // §8.3, §18 Data
  it.each([
    ['bytes=1-2', 1, 2],
    ['bytes=1-', 1, 2],
    ['bytes=1-3', 1, 2],
    ['bytes=-2', 1, 2],
    ['bytes=1-100', 1, 2],
    ['bytes=2-2', 2, 2],
    ['bytes=0-', 0, 2],
    ['bytes=0-2', 0, 2],
    ['bytes=0-100', 0, 2],
    ['bytes=-3', 0, 2],
    ['bytes=-4', 0, 2],
    ['bytes=-100', 0, 2],
    ['bytes=-0', 0, 2],
    [`bytes=0-${'9'.repeat(400)}`, 0, 2],
  ])('Range: %s', (range, first, last) => {
    expect(requestedRange({ range }, SIZE)).toEqual({ offset: first, length: last - first + 1 });
  });

  it.each([
    'bytes=4-1',
    'bytes=2-1',
    'bytes=4-',
    'bytes=3-',
    'bytes=1',
    'bytes=100',
    'bytes=',
    'bytes=-',
    'bytes=a-b',
    'bytes=1-2-3',
    'lines=1-2',
    '1-2',
    '',
    `bytes=${'9'.repeat(400)}-`,
  ])('Range: %s is not there', (range) => {
    expect(() => requestedRange({ range }, SIZE)).toThrow(
      expect.objectContaining({ code: 'range_not_satisfiable' }),
    );
  });

  it.each(['bytes=0-0,-1', 'bytes=0-0,1-1', ','])('Range: %s is more than one', (range) => {
    expect(() => requestedRange({ range }, SIZE)).toThrow(
      expect.objectContaining({ code: 'invalid_request' }),
    );
  });

  it.each([
    ['bytes 1-2/3', 1, 2],
    ['bytes 1-2/*', 1, 2],
    ['bytes 0-0/*', 0, 0],
    ['bytes 1-2/10', 1, 2],
    ['bytes 1-8/10', 1, 2],
  ])('Content-Range: %s', (header, first, last) => {
    expect(requestedRange({ 'content-range': header }, SIZE)).toEqual({
      offset: first,
      length: last - first + 1,
    });
  });

  it.each([
    'bytes -3/3',
    'bytes 1-/3',
    'bytes 1-3/3',
    'bytes 1-4/3',
    'bytes 1-3/*',
    'bytes 1-4/*',
    'bytes 4-1/*',
    'bytes 2-1/*',
    'bytes 4-8/*',
    'bytes 4-8/10',
    'bytes */3',
    'bytes=1-2/3',
    'bytes 1-2',
    'nonsense',
  ])('Content-Range: %s is not there', (header) => {
    expect(() => requestedRange({ 'content-range': header }, SIZE)).toThrow(
      expect.objectContaining({ code: 'range_not_satisfiable' }),
    );
  });

  it('looks at Content-Range only without Range', () => {
    const both = { range: 'bytes=0-0', 'content-range': 'bytes 1-2/3' };
    expect(requestedRange(both, SIZE)).toEqual({ offset: 0, length: 1 });
  });

  it.each([0, null])('names no part of %p bytes', (size) => {
    for (const range of ['bytes=0-', 'bytes=-1', 'bytes=-0', 'bytes=0-0']) {
      expect(() => requestedRange({ range }, size)).toThrow(
        expect.objectContaining({ code: 'range_not_satisfiable' }),
      );
    }
  });
});
