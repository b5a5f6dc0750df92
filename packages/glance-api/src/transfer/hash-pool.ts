import { Worker } from 'node:worker_threads';
import { hashWorkerProgram, type HashCommand, type HashReply } from './hash-worker';

type Unnumbered<T> = T extends { job: number } ? Omit<T, 'job'> : never;

/** Of all threads, since the process began; except `openJobs`. */
export interface HashMetrics {
  openJobs: number;
  bytes: number;
  /** That the threads have worked. */
  seconds: number;
}

interface HashThread {
  worker: Worker;
  jobs: Map<number, HashJob>;
}

/**
 * Threads that hash beside the I/O. The bytes lie in shared memory and are never copied to a
 * thread; a thread works through its jobs in the order the bytes arrive.
 */
export class HashPool {
  private readonly threads: HashThread[];
  private nextJob = 1;
  private closed = false;
  private bytes = 0;
  private seconds = 0;

  constructor(threadCount: number) {
    this.threads = Array.from({ length: threadCount }, () => this.startThread());
  }

  /** Starts a digest over parts of `memory`; on the thread with the least to do. */
  open(algorithm: string, memory: SharedArrayBuffer): HashJob {
    const thread = this.threads.reduce((least, each) =>
      each.jobs.size < least.jobs.size ? each : least,
    );
    const id = this.nextJob;
    this.nextJob += 1;
    const job = new HashJob(
      (command) => {
        if (command.kind === 'update') this.bytes += command.length;
        thread.worker.postMessage({ ...command, job: id } satisfies HashCommand);
      },
      () => thread.jobs.delete(id),
    );
    thread.jobs.set(id, job);
    thread.worker.postMessage({ job: id, kind: 'open', algorithm, memory } satisfies HashCommand);
    return job;
  }

  metrics(): HashMetrics {
    const openJobs = this.threads.reduce((sum, { jobs }) => sum + jobs.size, 0);
    return { openJobs, bytes: this.bytes, seconds: this.seconds };
  }

  async close(): Promise<void> {
    this.closed = true;
    await Promise.all(this.threads.map(({ worker }) => worker.terminate()));
  }

  private startThread(): HashThread {
    const worker = new Worker(`(${hashWorkerProgram.toString()})()`, {
      eval: true,
      name: 'hash',
      resourceLimits: { maxOldGenerationSizeMb: 32, maxYoungGenerationSizeMb: 4 },
    });
    const thread: HashThread = { worker, jobs: new Map() };
    worker.on('message', (reply: HashReply) => {
      if (reply.kind === 'updated') this.seconds += reply.seconds;
      thread.jobs.get(reply.job)?.receive(reply);
    });
    const replace = (error: Error): void => {
      if (this.closed) return;
      for (const job of thread.jobs.values()) job.fail(error);
      const index = this.threads.indexOf(thread);
      if (index !== -1) this.threads[index] = this.startThread();
    };
    worker.on('error', replace);
    worker.on('exit', (code) => {
      if (code !== 0) replace(new Error(`A hashing thread ended with code ${code}`));
    });
    worker.unref();
    return thread;
  }
}

interface Waiter {
  resolve(hex: string): void;
  reject(error: Error): void;
}

/** One running digest. Answers come in the order of the calls. */
export class HashJob {
  private readonly waiting: Waiter[] = [];
  private failure: Error | undefined;

  constructor(
    private readonly send: (command: Unnumbered<HashCommand>) => void,
    private readonly forget: () => void,
  ) {}

  /** Resolves when the bytes have been read, so that their memory may be used again. */
  async update(offset: number, length: number): Promise<void> {
    await this.ask({ kind: 'update', offset, length });
  }

  /** The digest in hex; ends the job. */
  async digest(): Promise<string> {
    const hex = await this.ask({ kind: 'digest' });
    this.forget();
    return hex;
  }

  /** Ends the job without a digest. */
  close(): void {
    if (this.failure) return;
    this.send({ kind: 'close' });
    this.fail(new Error('The hash was given up'));
  }

  receive(reply: HashReply): void {
    this.waiting.shift()?.resolve(reply.kind === 'digest' ? reply.hex : '');
  }

  fail(error: Error): void {
    this.failure = error;
    this.forget();
    for (const waiter of this.waiting.splice(0)) waiter.reject(error);
  }

  private ask(command: Unnumbered<HashCommand>): Promise<string> {
    if (this.failure) return Promise.reject(this.failure);
    return new Promise((resolve, reject) => {
      this.waiting.push({ resolve, reject });
      this.send(command);
    });
  }
}
