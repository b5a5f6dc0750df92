import { CachedReading } from './cached-reading';

describe('a reading that scrapes share', () => {
  const failures: unknown[] = [];
  const cached = <T>(read: () => Promise<T>, maxAgeMs = 60_000, patienceMs = 60_000) =>
    new CachedReading({
      read,
      maxAgeMs,
      patienceMs,
      onFailure: (error) => failures.push(error),
    });

  beforeEach(() => {
    failures.length = 0;
  });

  it('is made once, also for those who ask at the same time', async () => {
    let made = 0;
    const reading = cached(() => Promise.resolve((made += 1)));
    expect(await Promise.all([reading.get(), reading.get()])).toEqual([1, 1]);
    expect(await reading.get()).toBe(1);
  });

  it('is made anew when it is old', async () => {
    let made = 0;
    const reading = cached(() => Promise.resolve((made += 1)), 0);
    expect([await reading.get(), await reading.get()]).toEqual([1, 2]);
  });

  it('is not repeated at once when it failed', async () => {
    let made = 0;
    const reading = cached(() => {
      made += 1;
      return Promise.reject(new Error('gone'));
    });
    expect([await reading.get(), await reading.get()]).toEqual([undefined, undefined]);
    expect(made).toBe(1);
    expect(failures).toEqual([new Error('gone')]);
  });

  it('keeps no scrape waiting, and no second one is begun meanwhile', async () => {
    let made = 0;
    let answer: (value: string) => void = () => undefined;
    const reading = cached(
      () => {
        made += 1;
        return new Promise<string>((resolve) => (answer = resolve));
      },
      60_000,
      1,
    );
    expect([await reading.get(), await reading.get()]).toEqual([undefined, undefined]);
    expect(made).toBe(1);
    answer('late');
    expect(await reading.get()).toBe('late');
  });
});
