import { setImmediate as turn } from 'node:timers/promises';
import { PartMemory } from './part-memory';

/** Takes, and tells when it has. */
function taking(memory: PartMemory, sizeBytes: number, signal?: AbortSignal) {
  const state: { buffer?: Buffer; error?: unknown } = {};
  memory.take(sizeBytes, signal).then(
    (buffer) => (state.buffer = buffer),
    (error: unknown) => (state.error = error),
  );
  return state;
}

describe('the memory of parts', () => {
  it('lets uploads wait, in their order, rather than be exceeded', async () => {
    const memory = new PartMemory(100);
    const takes = [60, 50, 10, 40].map((size) => taking(memory, size));
    await turn();
    // The third would fit, but the second was first.
    expect(takes.map(({ buffer }) => buffer?.length)).toEqual([
      60,
      undefined,
      undefined,
      undefined,
    ]);
    expect(memory.takeMore(1)).toBeUndefined();
    memory.giveBack(takes[0]!.buffer!);
    await turn();
    expect(takes.map(({ buffer }) => buffer?.length)).toEqual([60, 50, 10, 40]);
    expect(memory.usedBytes).toBe(100);
  });

  it('gives a part that is larger than all of it everything', async () => {
    const memory = new PartMemory(100);
    const small = await memory.take(1);
    const large = taking(memory, 500);
    await turn();
    expect(large.buffer).toBeUndefined();
    memory.giveBack(small);
    await turn();
    expect(large.buffer).toHaveLength(500);
    const next = taking(memory, 1);
    await turn();
    expect(next.buffer).toBeUndefined();
    memory.giveBack(large.buffer!);
    await turn();
    expect(next.buffer).toHaveLength(1);
  });

  it('is exceeded rather than waited for endlessly', async () => {
    const memory = new PartMemory(100, 20);
    const hung = await memory.take(90);
    const started = [30, 40].map((size) => memory.take(size));
    expect((await Promise.all(started)).map(({ length }) => length)).toEqual([30, 40]);
    expect(memory.usedBytes).toBe(160);
    memory.giveBack(hung);
    expect(memory.takeMore(30)).toHaveLength(30);
  });

  it('is not waited for after an abort', async () => {
    const memory = new PartMemory(100);
    const first = await memory.take(60);
    const controller = new AbortController();
    const aborted = taking(memory, 100, controller.signal);
    const next = taking(memory, 40);
    const reason = new Error('the client left');
    controller.abort(reason);
    await turn();
    expect(aborted).toEqual({ error: reason });
    expect(next.buffer).toHaveLength(40);
    memory.giveBack(first);
    memory.giveBack(next.buffer!);
    expect(memory.usedBytes).toBe(0);
    await expect(memory.take(1, controller.signal)).rejects.toBe(reason);
  });
});
