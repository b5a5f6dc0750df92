import { Readable, type Writable } from 'node:stream';
import { heldBack } from '../../remote/held-back';
import { writeChunk } from '../../remote/write-chunk';
import type { ByteSource } from '../../store-driver';

/**
 * A source of known size as the body of one request, without a copy of its bytes: a chunk is asked
 * for when the socket has let go of the one before. The last chunk is held back until the source
 * has ended, so that a request whose source fails is never complete.
 */
export class StreamedBody extends Readable {
  /** What broke the body off. */
  failure: Error | undefined;
  /** The whole body was handed to the socket: the server may have stored it. */
  complete = false;
  /** Resolves when the source has ended well: from then on the server alone is waited for. */
  readonly sourceEnd: Promise<void>;
  private tellSourceEnd!: () => void;
  private readonly chunks: AsyncGenerator<Uint8Array, undefined>;

  constructor(source: ByteSource, sizeBytes: number, signal?: AbortSignal) {
    super();
    this.sourceEnd = new Promise((resolve) => (this.tellSourceEnd = resolve));
    const onEnd = (): void => {
      this.complete = true;
      this.tellSourceEnd();
    };
    this.chunks = heldBack(source, sizeBytes, { signal, onEnd });
  }

  /** As the SDK sends a body that it does not have to look into. */
  override pipe<T extends NodeJS.WritableStream>(destination: T): T {
    this.sendTo(destination as unknown as Writable).catch((error: unknown) => {
      this.fail(error);
      (destination as unknown as Writable).destroy(this.failure);
    });
    return destination;
  }

  /** As the SDK reads one that it adds checksums to: it keeps chunks, so they are copied. */
  override _read(): void {
    this.chunks.next().then(
      ({ value }) => this.push(value === undefined ? null : Buffer.from(value)),
      (error: unknown) => {
        this.fail(error);
        this.destroy(this.failure);
      },
    );
  }

  private async sendTo(request: Writable): Promise<void> {
    for await (const chunk of this.chunks) await writeChunk(request, chunk);
    request.end();
  }

  private fail(error: unknown): void {
    this.failure ??= error as Error;
  }
}
