import { TokenBuckets } from './token-buckets';

describe('a token bucket', () => {
  let now = 0;
  const buckets = (perSecond: number, burst: number) =>
    new TokenBuckets({ perSecond, burst }, () => now);
  const takeAll = (from: TokenBuckets, key: string): number => {
    let count = 0;
    while (count < 100 && from.secondsUntilToken(key) === 0) {
      from.take(key);
      count += 1;
    }
    return count;
  };

  beforeEach(() => {
    now = 0;
  });

  it('holds its burst, and fills again as time goes by', () => {
    const two = buckets(2, 5);
    expect(takeAll(two, 'a')).toBe(5);
    now += 1000;
    expect(takeAll(two, 'a')).toBe(2);
    now += 3_600_000;
    expect(takeAll(two, 'a')).toBe(5);
  });

  it('says when to come again, in whole seconds', () => {
    const slow = buckets(1, 1);
    slow.take('a');
    expect(slow.secondsUntilToken('a')).toBe(1);
    now += 999;
    expect(slow.secondsUntilToken('a')).toBe(1);
    now += 1;
    expect(slow.secondsUntilToken('a')).toBe(0);
  });

  it('goes into no debt: who was refused long is served as others are', () => {
    const one = buckets(1, 1);
    for (let count = 0; count < 50; count += 1) one.take('a');
    expect(one.secondsUntilToken('a')).toBe(1);
  });

  it('is one of each key', () => {
    const one = buckets(1, 1);
    one.take('a');
    expect([one.secondsUntilToken('a'), one.secondsUntilToken('b')]).toEqual([1, 0]);
  });

  it('is no limit at all with 0', () => {
    expect(takeAll(buckets(0, 1), 'a')).toBe(100);
  });

  it('forgets the key that was not used longest when there are too many', () => {
    const one = buckets(1, 1);
    one.take('first');
    one.take('second');
    for (let count = 0; count < 9998; count += 1) one.take(`k${count}`);
    one.take('first');
    one.take('one more');
    expect(one.secondsUntilToken('second')).toBe(0);
    expect(one.secondsUntilToken('first')).toBe(1);
  });
});
