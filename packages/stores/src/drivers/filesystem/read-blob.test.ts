import { readBlob } from './read-blob';
import type { ReadableFile } from './read-blob';

/** A file whose reads are answered by the test. */
class ScriptedFile implements ReadableFile {
  readonly reads: { position: number; length: number }[] = [];
  closed = 0;

  constructor(private readonly answer: (position: number, length: number) => number) {}

  async read(buffer: Buffer, offset: number, length: number, position: number) {
    this.reads.push({ position, length });
    const bytesRead = this.answer(position, length);
    for (let i = 0; i < bytesRead; i += 1) buffer[offset + i] = (position + i) % 251;
    return { bytesRead };
  }

  close(): Promise<void> {
    this.closed += 1;
    return Promise.resolve();
  }
}

const turn = () => new Promise(setImmediate);

describe('reading a blob', () => {
  it('fills the next chunk while the reader has this one, and no more', async () => {
    const file = new ScriptedFile((_, length) => length);
    const stream = readBlob(file, { offset: 10, length: 100 }, 30);
    await turn();
    expect(file.reads).toEqual([]);
    await stream.next();
    await turn();
    expect(file.reads.map(({ position }) => position)).toEqual([10, 40]);
    await stream.next();
    await turn();
    expect(file.reads.map(({ position }) => position)).toEqual([10, 40, 70]);
    await stream.return();
    expect(file.closed).toBe(1);
  });

  it.each([1, 7, 29, 30])('puts reads of %i bytes together', async (shortRead) => {
    const file = new ScriptedFile((_, length) => Math.min(length, shortRead));
    const bytes: number[] = [];
    for await (const chunk of readBlob(file, { offset: 5, length: 95 }, 30)) bytes.push(...chunk);
    expect(bytes).toEqual(Array.from({ length: 95 }, (_, index) => (index + 5) % 251));
    expect(file.closed).toBe(1);
  });

  it('tells of a failure ahead when its turn comes, and not before', async () => {
    const failure = Object.assign(new Error('EIO'), { code: 'EIO', syscall: 'read' });
    const file = new ScriptedFile((position, length) => {
      if (position > 0) throw failure;
      return length;
    });
    const unhandled = jest.fn();
    process.once('unhandledRejection', unhandled);
    const stream = readBlob(file, { offset: 0, length: 100 }, 30);
    expect((await stream.next()).value).toHaveLength(30);
    await turn();
    expect(unhandled).not.toHaveBeenCalled();
    process.off('unhandledRejection', unhandled);
    await expect(stream.next()).rejects.toMatchObject({
      code: 'store_unavailable',
      cause: failure,
    });
    expect(file.closed).toBe(1);
    expect((await stream.next()).done).toBe(true);
  });

  it('is given up only when no read is under way that would write into memory used again', async () => {
    let finishRead: () => void = () => undefined;
    const file: ReadableFile = {
      read: async (_buffer, _offset, length, position) => {
        if (position > 0) await new Promise<void>((resolve) => (finishRead = resolve));
        return { bytesRead: length };
      },
      close: () => Promise.resolve(),
    };
    const stream = readBlob(file, { offset: 0, length: 300_000 }, 100_000);
    await stream.next();
    let givenUp = false;
    const ending = stream.return().then(() => (givenUp = true));
    await turn();
    expect(givenUp).toBe(false);
    finishRead();
    await ending;
  });
});
