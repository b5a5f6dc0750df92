import { CircuitBreaker } from './circuit-breaker';

describe('CircuitBreaker', () => {
  let nowMs: number;
  let breaker: CircuitBreaker;

  beforeEach(() => {
    nowMs = 1_000_000;
    breaker = new CircuitBreaker(3_000, () => nowMs);
  });

  /** `count` failures, evenly over `durationMs`. */
  function fail(count: number, durationMs: number): void {
    for (let index = 0; index < count; index += 1) {
      if (index > 0) nowMs += durationMs / (count - 1);
      breaker.noteFailure();
    }
  }

  it('admits calls while failures are few or all of one moment', () => {
    fail(4, 10_000);
    expect(breaker.admits()).toBe(true);
    breaker.noteAnswer();
    fail(100, 2_000);
    expect(breaker.admits()).toBe(true);
  });

  it('lets one call a second through during an outage', () => {
    fail(5, 3_000);
    expect([breaker.admits(), breaker.admits(), breaker.admits()]).toEqual([true, false, false]);
    nowMs += 999;
    expect(breaker.admits()).toBe(false);
    nowMs += 1;
    expect([breaker.admits(), breaker.admits()]).toEqual([true, false]);
  });

  it('closes with the first answer', () => {
    fail(5, 3_000);
    breaker.noteAnswer();
    expect([breaker.admits(), breaker.admits()]).toEqual([true, true]);
  });

  it('holds nothing against a registry that was not asked for a while', () => {
    fail(5, 3_000);
    nowMs += 10_000;
    expect([breaker.admits(), breaker.admits()]).toEqual([true, true]);
  });
});
