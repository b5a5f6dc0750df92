import type { ServerResponse } from 'node:http';
import { DomainError } from '@glance/common';

export interface SendOptions {
  /** Exactly this many bytes are sent, or the connection breaks. */
  sizeBytes: number;
  /** Milliseconds without progress after which the client is given up. */
  idleMs: number;
  signal: AbortSignal;
  /** Told when it is over, however it ends, how many bytes have left this process. */
  onEnd?: (bytesSent: number) => void;
}

/**
 * Sends a body whose headers are set, one chunk at a time at the client's speed. A source that
 * fails or ends early makes this reject without ending the response, so that the caller breaks
 * the connection and the client cannot take the part for the whole. When it is the client that
 * fails, the connection is broken here.
 */
export async function sendBody(
  res: ServerResponse,
  chunks: AsyncIterable<Uint8Array>,
  options: SendOptions,
): Promise<void> {
  const progress = new WriteProgress(res, options);
  let sent = 0;
  let left = 0;
  try {
    for await (const chunk of chunks) {
      sent += chunk.length;
      if (sent > options.sizeBytes) break;
      await progress.write(chunk);
      left = sent;
    }
    if (sent !== options.sizeBytes) {
      throw new DomainError(
        'store_blob_corrupt',
        `The stored data ended after ${sent} of ${options.sizeBytes} bytes`,
      );
    }
    res.end();
  } finally {
    progress.release();
    options.onEnd?.(left);
  }
}

/** Waits for each write to leave this process, for the client to go away, or for time to run out. */
class WriteProgress {
  private fail: ((error: Error) => void) | undefined;
  private readonly timer: NodeJS.Timeout;
  private failure: Error | undefined;

  constructor(
    private readonly res: ServerResponse,
    private readonly options: SendOptions,
  ) {
    this.timer = setTimeout(() => {
      this.stop(
        new DomainError(
          'client_too_slow',
          `The client took no data for ${options.idleMs / 1000} seconds`,
        ),
      );
    }, options.idleMs);
    res.on('close', this.onClose);
    options.signal.addEventListener('abort', this.onAbort);
  }

  async write(chunk: Uint8Array): Promise<void> {
    if (this.failure) throw this.failure;
    await new Promise<void>((resolve, reject) => {
      this.fail = reject;
      this.res.write(chunk, (error) => {
        if (error) this.onClose();
        else resolve();
      });
    });
    this.timer.refresh();
  }

  release(): void {
    clearTimeout(this.timer);
    this.res.off('close', this.onClose);
    this.options.signal.removeEventListener('abort', this.onAbort);
  }

  private readonly onClose = (): void =>
    this.stop(new DomainError('client_gone', 'The client went away during the download'));
  private readonly onAbort = (): void =>
    this.stop(new DomainError('shutting_down', 'The service is being stopped'));

  private stop(error: Error): void {
    this.failure ??= error;
    // Before the source gets its memory back: nothing that comes into it may still be sent.
    this.res.destroy();
    this.fail?.(this.failure);
  }
}
