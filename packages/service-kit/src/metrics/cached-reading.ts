/** One answer that several series are made of, asked for so seldom that scrapes are no load. */
export class CachedReading<T> {
  private known: { value: T | undefined; at: number } | undefined;
  private running: Promise<T | undefined> | undefined;

  constructor(
    private readonly options: {
      read: () => Promise<T>;
      maxAgeMs: number;
      /** A scrape waits no longer; the answer is for a later one. */
      patienceMs: number;
      onFailure: (error: unknown) => void;
    },
  ) {}

  /** @returns undefined when the last attempt failed, or has not ended in time. */
  async get(): Promise<T | undefined> {
    const { maxAgeMs, patienceMs } = this.options;
    if (this.known && performance.now() - this.known.at < maxAgeMs) return this.known.value;
    this.running ??= this.read();
    let timer: NodeJS.Timeout | undefined;
    const tooLate = new Promise<undefined>((resolve) => {
      timer = setTimeout(() => resolve(undefined), patienceMs);
    });
    try {
      return await Promise.race([this.running, tooLate]);
    } finally {
      clearTimeout(timer);
    }
  }

  private async read(): Promise<T | undefined> {
    let value: T | undefined;
    try {
      value = await this.options.read();
    } catch (error) {
      this.options.onFailure(error);
    }
    this.known = { value, at: performance.now() };
    this.running = undefined;
    return value;
  }
}
