import { atMostEvery } from './at-most-every';

describe('atMostEvery', () => {
  it('has all who ask within the interval wait for one run', async () => {
    let runs = 0;
    let end = (): void => undefined;
    const ask = atMostEvery(3_600_000, async () => {
      runs += 1;
      await new Promise<void>((resolve) => (end = resolve));
    });
    const waiting = [ask(), ask()];
    let isOver = false;
    void Promise.all(waiting).then(() => (isOver = true));
    await new Promise((resolve) => setImmediate(resolve));
    expect(isOver).toBe(false);
    end();
    await Promise.all([...waiting, ask()]);
    expect(runs).toBe(1);
  });

  it('runs anew when the interval is over', async () => {
    let runs = 0;
    const ask = atMostEvery(0, () => {
      runs += 1;
      return Promise.resolve();
    });
    await ask();
    await ask();
    expect(runs).toBe(2);
  });
});
