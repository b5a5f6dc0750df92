import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import path from 'node:path';
import type { Readable } from 'node:stream';
import { createInterface } from 'node:readline';
import { storeUnavailable } from '../../store-errors';
import { HelperMemory } from './helper-memory';
import { SLOTS } from './protocol';
import type { RbdCall, RbdCalls, RbdQuestion, RbdReply } from './protocol';
import { HelperError } from './rbd-errors';

/** A call of the library holds one of these while it waits (stores sheet §12). */
const THREADS = SLOTS + 16;
const SHUT_DOWN_MS = 5_000;
const MAX_LINE = 500;

/** Compiled, also where the tests run from source. */
const PROGRAM = path
  .join(__dirname, 'helper', 'main.js')
  .replace(`${path.sep}src${path.sep}drivers`, `${path.sep}dist${path.sep}drivers`);

interface Pending {
  resolve: (answer: unknown) => void;
  reject: (error: unknown) => void;
  timer: NodeJS.Timeout | undefined;
}

/**
 * A helper process, from its start to its end. Ceph's libraries may hang or crash: they do it there.
 * Once it has ended every call fails with `store_unavailable`, those under way too.
 */
export class HelperSession {
  private readonly child: ChildProcess;
  private readonly pending = new Map<number, Pending>();
  private readonly exited: Promise<void>;
  private lastId = 0;
  private failure: Error | undefined;
  private sharedMemory: HelperMemory | undefined;

  /** @param log a line that Ceph says. */
  constructor(log: (line: string) => void) {
    this.child = spawn(process.execPath, [PROGRAM], {
      // One arena for each thread of Ceph's would hold twice the memory.
      // eslint-disable-next-line no-restricted-properties -- passed on unread; Ceph has variables of its own
      env: { MALLOC_ARENA_MAX: '2', ...process.env, UV_THREADPOOL_SIZE: String(THREADS) },
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    createInterface({ input: this.child.stderr as Readable }).on('line', (line) => {
      log(line.slice(0, MAX_LINE));
    });
    this.child.on('message', (reply) => {
      this.receive(reply as RbdReply);
    });
    this.exited = new Promise((resolve) => {
      this.child.on('error', (error) => {
        this.end(`it cannot be started: ${error.message}`);
        resolve();
      });
      this.child.on('exit', (code, signal) => {
        this.end(`it ended with ${signal ?? `code ${code}`}`);
        resolve();
      });
    });
  }

  get pid(): number | undefined {
    return this.child.pid;
  }

  get ended(): boolean {
    return this.failure !== undefined;
  }

  /**
   * The memory that it shares.
   * @param file its descriptor of it.
   */
  openMemory(file: number): HelperMemory {
    if (this.failure) throw this.failure;
    try {
      return (this.sharedMemory ??= new HelperMemory({ pid: this.child.pid ?? 0, file }));
    } catch (error) {
      this.kill(`its memory cannot be shared: ${(error as Error).message}`);
      throw storeUnavailable(error);
    }
  }

  /**
   * One question and its answer.
   * @param timeoutMs after so long the helper hangs, and is ended.
   * @throws HelperError with what Ceph says; `store_unavailable`.
   */
  async call<Call extends RbdCall>(
    call: Call,
    asked: RbdCalls[Call]['asked'],
    timeoutMs?: number,
  ): Promise<RbdCalls[Call]['answer']> {
    if (this.failure) throw this.failure;
    const id = (this.lastId += 1);
    const result = new Promise<unknown>((resolve, reject) => {
      const timer =
        timeoutMs === undefined
          ? undefined
          : setTimeout(() => this.hangs(call, timeoutMs), timeoutMs);
      this.pending.set(id, { resolve, reject, timer });
    });
    // A channel that breaks belongs to a process that ends: that is what fails the call.
    this.child.send({ id, call, asked } satisfies RbdQuestion, () => undefined);
    return (await result) as RbdCalls[Call]['answer'];
  }

  /** Lets it give back what it has open, for a moment. */
  async close(): Promise<void> {
    const timer = setTimeout(() => this.child.kill('SIGKILL'), SHUT_DOWN_MS);
    await this.call('shutDown', {}).catch(() => undefined);
    this.child.kill('SIGKILL');
    await this.exited;
    clearTimeout(timer);
  }

  kill(reason: string): void {
    this.end(reason);
    this.child.kill('SIGKILL');
  }

  private hangs(call: string, afterMs: number): void {
    this.kill(`it did not answer ${call} in ${afterMs / 1000} s`);
  }

  private receive({ id, answer, failure }: RbdReply): void {
    const pending = this.pending.get(id);
    if (!pending) return;
    this.pending.delete(id);
    clearTimeout(pending.timer);
    if (failure) pending.reject(new HelperError(failure));
    else pending.resolve(answer);
  }

  private end(reason: string): void {
    this.failure ??= storeUnavailable(new Error(`The helper process for Ceph: ${reason}`));
    this.sharedMemory?.close();
    for (const { reject, timer } of this.pending.values()) {
      clearTimeout(timer);
      reject(this.failure);
    }
    this.pending.clear();
  }
}
