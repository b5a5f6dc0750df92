import type { IncomingMessage } from 'node:http';
import { DomainError } from '@glance/common';
import { pieceUsed } from './body-garbage';
import type { UploadBody } from './upload-source';

export interface BodyLimits {
  /** Milliseconds without a byte from the client. */
  idleMs: number;
  /** Bytes per second that a client must reach, counted over the time it was waited for. */
  minimumRate: number;
  /** Time waited before the rate counts. */
  minimumRateGraceMs: number;
}

/**
 * Reads the body of a request piece by piece, watching the client: silence or a trickle ends it
 * with `client_too_slow`, a connection that breaks before the body is complete with
 * `client_gone`. Time spent on our side of the transfer is not held against the client.
 */
export class RequestBody implements UploadBody {
  private wake: (() => void) | undefined;
  private failure: Error | undefined;
  private ended = false;
  private waitedMs = 0;
  private received = 0;
  private lastPieceBytes = 0;

  constructor(
    private readonly request: IncomingMessage,
    private readonly limits: BodyLimits,
  ) {
    request.on('readable', this.onReadable);
    request.on('end', this.onEnd);
    request.on('close', this.onClose);
    request.on('error', this.onError);
    if (request.readableEnded) this.ended = true;
    // It may have broken off before anybody listened, while the upload was being claimed.
    else if (request.destroyed) this.failure = clientGone();
  }

  /**
   * The next bytes; undefined after the last one of a complete body. They are the caller's until he
   * asks for more.
   */
  async next(): Promise<Buffer | undefined> {
    for (;;) {
      if (this.failure) throw this.failure;
      const piece = this.request.read() as Buffer | null;
      if (piece) {
        pieceUsed(this.lastPieceBytes);
        this.lastPieceBytes = piece.length;
        this.received += piece.length;
        return piece;
      }
      if (this.ended) {
        if (this.request.complete) return undefined;
        throw clientGone();
      }
      await this.waitForClient();
    }
  }

  /** Makes a waiting or later {@link next} reject. */
  abort(error: Error): void {
    this.failure ??= error;
    this.wake?.();
  }

  /** Stops listening. The request itself is left as it is, so that it can still be answered. */
  release(): void {
    this.request.off('readable', this.onReadable);
    this.request.off('end', this.onEnd);
    this.request.off('close', this.onClose);
    this.request.off('error', this.onError);
    this.request.on('error', () => undefined);
  }

  private readonly onReadable = (): void => this.wake?.();
  private readonly onEnd = (): void => {
    this.ended = true;
    this.wake?.();
  };
  private readonly onClose = (): void => {
    if (!this.ended) this.abort(clientGone());
  };
  private readonly onError = (error: Error): void => this.abort(clientGone(error));

  private async waitForClient(): Promise<void> {
    const { idleMs, minimumRate, minimumRateGraceMs } = this.limits;
    const started = performance.now();
    // A client below the rate is noticed while it is waited for, at the latest after idleMs.
    const rateMs = Math.max(
      minimumRateGraceMs,
      minimumRate > 0 ? (this.received / minimumRate) * 1000 : Infinity,
    );
    const untilTooSlow = Math.max(0, rateMs - this.waitedMs);
    const limitMs = Math.min(idleMs, untilTooSlow);
    await new Promise<void>((resolve) => {
      const timer = setTimeout(() => {
        this.abort(
          new DomainError(
            'client_too_slow',
            limitMs === idleMs
              ? `No data was received for ${idleMs / 1000} seconds`
              : `Data was received at less than ${minimumRate} bytes per second`,
          ),
        );
      }, limitMs);
      this.wake = () => {
        clearTimeout(timer);
        this.wake = undefined;
        resolve();
      };
    });
    this.waitedMs += performance.now() - started;
  }
}

function clientGone(cause?: Error): DomainError {
  return new DomainError(
    'client_gone',
    'The client ended the request before its body was complete',
    {
      cause,
    },
  );
}
