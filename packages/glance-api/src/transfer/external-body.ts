import { DomainError } from '@glance/common';
import type { BlobStream } from '@glance/stores';
import type { UploadBody } from './upload-source';

/**
 * The data of an external source as the body of an upload. The source is opened when the first
 * bytes are asked for: by then the image is claimed.
 */
export class ExternalBody implements UploadBody {
  private readonly ending = new AbortController();
  private readonly timer: NodeJS.Timeout;
  private stream: BlobStream | undefined;

  /** @param timeoutMs for everything from here to the last byte. */
  constructor(
    private readonly open: (signal: AbortSignal) => Promise<{ stream: BlobStream }>,
    timeoutMs: number,
  ) {
    this.timer = setTimeout(() => {
      const text = `The external source took longer than ${timeoutMs / 1000} s`;
      this.abort(new DomainError('store_unavailable', text));
    }, timeoutMs);
  }

  async next(): Promise<Buffer | undefined> {
    const { signal } = this.ending;
    signal.throwIfAborted();
    this.stream ??= (await this.open(signal)).stream;
    const { done, value } = await this.stream.next();
    return done === true ? undefined : Buffer.from(value.buffer, value.byteOffset, value.length);
  }

  abort(error: Error): void {
    this.ending.abort(error);
  }

  release(): void {
    clearTimeout(this.timer);
    this.abort(new DomainError('client_gone', 'The transfer has ended'));
    // Its failure, if it has one, is known by whoever read it.
    this.stream?.return().catch(() => undefined);
  }
}
