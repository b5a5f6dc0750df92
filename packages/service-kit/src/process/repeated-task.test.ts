import { silentLogger } from '../logger';
import { RepeatedTask } from './repeated-task';

describe('RepeatedTask', () => {
  /** A task that counts its runs, and a promise of the run with a number. */
  function counting(work: (run: number) => Promise<void>) {
    let runs = 0;
    const waiting: { run: number; resolve: () => void }[] = [];
    const task = new RepeatedTask({
      id: 'counting',
      name: 'Counting',
      intervalMs: 1,
      logger: silentLogger,
      work: async () => {
        runs += 1;
        for (const each of waiting) if (each.run === runs) each.resolve();
        await work(runs);
      },
    });
    return {
      task,
      runs: () => runs,
      reached: (run: number) =>
        new Promise<void>((resolve) => {
          waiting.push({ run, resolve });
        }),
    };
  }

  it('goes on after a run that failed', async () => {
    const { task, reached } = counting(() => Promise.reject(new Error('no')));
    const third = reached(3);
    task.start();
    const startedAt = task.lastSuccessAt;
    await third;
    await task.close();
    expect({ runs: task.runs, failures: task.failures }).toEqual({ runs: 3, failures: 3 });
    expect(task.lastSuccessAt).toBe(startedAt);
  });

  it('never runs twice at once, and ends only when a run is over', async () => {
    let release: () => void = () => undefined;
    let over = false;
    const { task, runs, reached } = counting(async () => {
      await new Promise<void>((resolve) => (release = resolve));
      over = true;
    });
    const first = reached(1);
    task.start();
    await first;
    const closed = task.close();
    expect(task.isClosed).toBe(true);
    release();
    await closed;
    expect(over).toBe(true);
    expect(runs()).toBe(1);
  });
});
