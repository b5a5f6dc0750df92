import type { IncomingMessage } from 'node:http';
import { DomainError, isDomainError } from '@glance/common';
import { ResponseStream } from '../../outbound/response-stream';
import type { BlobStream } from '../../store-driver';
import { pause } from './patient-fetcher';

export interface Answer {
  response: IncomingMessage;
  /** Bytes of its body before those that were asked for. */
  leadBytes: number;
}

interface ResumingOptions {
  /** The first byte that is wanted, and the first that is not any more. */
  offset: number;
  end: number;
  idleMs: number;
  /**
   * Asks for what is left from this byte on; undefined where nothing could prove it to be of the same
   * data. @throws when it is not, and when it is not to be had now (`store_unavailable`).
   */
  reopen: ((from: number, signal: AbortSignal) => Promise<Answer>) | undefined;
  /** Milliseconds before each attempt to go on; there are as many attempts, in all. */
  pausesMs: readonly number[];
  signal?: AbortSignal | undefined;
}

type Chunk = IteratorResult<Uint8Array, undefined>;
const END: Chunk = { done: true, value: undefined };

/**
 * The wanted bytes of a source that may break off: what is left is asked for again then. Where that
 * does not lead on, the stream fails as it would have at first.
 */
export class ResumingStream implements BlobStream {
  private current: ResponseStream;
  /** Of the next byte of the current answer. */
  private position: number;
  /** Of the next byte for the reader. */
  private wanted: number;
  private attempts = 0;
  private failure: Error | undefined;
  private closed = false;
  private readonly stop = new AbortController();

  constructor(
    first: Answer,
    private readonly options: ResumingOptions,
  ) {
    const { offset, signal } = options;
    this.wanted = offset;
    this.position = offset - first.leadBytes;
    signal?.addEventListener('abort', this.onAbort, { once: true });
    this.current = this.bodyOf(first);
    if (signal?.aborted === true) this.onAbort();
  }

  async next(): Promise<Chunk> {
    while (!this.closed) {
      if (this.failure !== undefined) throw this.failure;
      try {
        if (this.wanted === this.options.end) {
          await this.finish();
          return END;
        }
        const chunk = await this.nextWanted();
        if (chunk) return { done: false, value: chunk };
      } catch (error) {
        await this.goOn(error);
      }
    }
    return END;
  }

  async return(): Promise<Chunk> {
    this.close();
    return await this.current.return();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** @returns undefined for bytes that are passed over. */
  private async nextWanted(): Promise<Uint8Array | undefined> {
    const { done, value } = await this.current.next();
    if (done === true) throw new Error('the source ended before the end that it announced');
    const from = this.wanted - this.position;
    this.position += value.length;
    if (from >= value.length) return undefined;
    const chunk = value.subarray(from, from + this.options.end - this.wanted);
    this.wanted += chunk.length;
    return chunk;
  }

  /** All is there: whatever becomes of the connection does not matter, nor what else is on it. */
  private async finish(): Promise<void> {
    if (this.position === this.wanted) await this.current.next().catch(() => undefined);
    await this.return();
  }

  /** @throws the failure, or the reason of an abort, when there is no way on. */
  private async goOn(failure: unknown): Promise<void> {
    const { signal } = this.stop;
    let cause: unknown;
    while (!signal.aborted && this.options.reopen && this.hasAttempts()) {
      try {
        await pause(this.options.pausesMs[this.attempts++] ?? 0, signal);
        const answer = await this.options.reopen(this.wanted, signal);
        this.position = this.wanted - answer.leadBytes;
        this.current = this.bodyOf(answer);
        return;
      } catch (error) {
        cause = error;
        if (!isDomainError(error, 'store_unavailable')) break;
      }
    }
    if (this.closed) return;
    this.failure = (signal.aborted ? signal.reason : withCause(failure, cause)) as Error;
    this.release();
    throw this.failure;
  }

  private hasAttempts(): boolean {
    return this.attempts < this.options.pausesMs.length;
  }

  private bodyOf({ response }: Answer): ResponseStream {
    return new ResponseStream(response, this.options.idleMs, this.stop.signal);
  }

  private readonly onAbort = (): void => this.stop.abort(this.options.signal?.reason);

  private close(): void {
    if (this.closed) return;
    this.closed = true;
    this.release();
    // Ends a pause or a question that is under way.
    this.stop.abort();
  }

  private release(): void {
    this.options.signal?.removeEventListener('abort', this.onAbort);
  }
}

/** The failure, and why nothing came after it. */
function withCause(failure: unknown, cause: unknown): unknown {
  if (cause === undefined || !isDomainError(failure)) return failure;
  return new DomainError(failure.code, failure.message, { cause, details: failure.details });
}
