import { DomainError, type DataHash } from '@glance/common';
import type { FormatInspection, VirtualSize } from '../formats/format-inspection';
import type { SignatureCheck } from '../signatures/signature-check';
import type { HashJob, HashPool } from './hash-pool';
import { SlabRing, type Slab } from './slab-ring';

/** Where the bytes of an upload come from: a client's request, or an external source. */
export interface UploadBody {
  /**
   * The next bytes, the caller's until he asks for more; undefined after the last ones of a body
   * that was complete.
   */
  next(): Promise<Buffer | undefined>;
  /** Makes a waiting or later {@link next} reject. */
  abort(error: Error): void;
  /** Frees what it holds. */
  release(): void;
}

export interface UploadExpectations {
  /** Refuses more bytes than this (`too_large`). */
  maxBytes: number;
  /** Text of that refusal. */
  tooLargeMessage: string;
  /** What the client announced; checked when the body has ended. */
  sizeBytes: number | undefined;
  md5: string | undefined;
  /** The digest that the image is to have, under another algorithm than usual if it says so. */
  hash?: DataHash | undefined;
  /** Asked for when the first bytes have come: sees every byte, and refuses by throwing at the end. */
  inspection?: (() => FormatInspection | undefined) | undefined;
  /** Asked for when the first bytes have come: sees every byte, and refuses by throwing at the end. */
  signature?: (() => SignatureCheck | undefined) | undefined;
  /** Waited for before bytes up to this total are taken: refuses by rejecting. */
  admit?: (totalBytes: number) => Promise<void> | undefined;
}

export interface UploadDigests {
  sizeBytes: number;
  md5: string;
  hashAlgorithm: string;
  hashValue: string;
  /** Of the disk in the image; null where nothing looked for it or nothing says so. */
  virtualSizeBytes: VirtualSize;
}

/** What images are hashed with beside MD5 (upstream's default of `hashing_algorithm`). */
export const HASH_ALGORITHM = 'sha512';

/**
 * The bytes of an upload on their way to a store: counted, limited, hashed on threads beside
 * the I/O. The iteration ends normally only when the body was complete and agrees with what was
 * announced; otherwise it throws, and the store makes nothing visible. A chunk is valid until the
 * next one is asked for.
 */
export class UploadSource implements AsyncIterable<Uint8Array> {
  private readonly ring = new SlabRing();
  private readonly md5: HashJob;
  private readonly hash: HashJob;
  private readonly hashAlgorithm: string;
  private received = 0;
  private inspection: FormatInspection | undefined;
  private signature: SignatureCheck | undefined;
  private result: UploadDigests | undefined;
  private closed = false;
  private readonly pendingHashes = new Set<Promise<unknown>>();

  constructor(
    private readonly body: UploadBody,
    pool: HashPool,
    private readonly expected: UploadExpectations,
  ) {
    this.md5 = pool.open('md5', this.ring.memory);
    this.hashAlgorithm = expected.hash?.algorithm ?? HASH_ALGORITHM;
    this.hash = pool.open(this.hashAlgorithm, this.ring.memory);
  }

  get bytesReceived(): number {
    return this.received;
  }

  /** Size and digests of a body that was read to its end. */
  get digests(): UploadDigests {
    if (!this.result) throw new Error('The body was not read to its end');
    return this.result;
  }

  /** Ends the transfer with this error, wherever it waits. */
  abort(error: Error): void {
    this.body.abort(error);
    this.ring.fail(error);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void> {
    const filling = this.fill().catch((error: unknown) => {
      this.ring.fail(error as Error);
    });
    try {
      for (;;) {
        const slab = await this.ring.takeReady();
        if (!slab) break;
        const hashed = Promise.all([
          this.md5.update(slab.offset, slab.length),
          this.hash.update(slab.offset, slab.length),
        ]);
        this.keepUntilHashed(hashed);
        yield this.ring.view(slab);
        // Asked for the next chunk: the store is done with this one.
        hashed.then(
          () => this.ring.giveBack(slab),
          (error: unknown) => this.ring.fail(error as Error),
        );
      }
      this.result = await this.verify();
    } finally {
      this.abort(new DomainError('client_gone', 'The transfer was given up'));
      await filling;
      await this.close();
    }
  }

  private async fill(): Promise<void> {
    let slab: Slab | undefined;
    let piece = await this.body.next();
    this.inspection = this.expected.inspection?.();
    this.signature = this.expected.signature?.();
    for (; piece; piece = await this.body.next()) {
      this.received += piece.length;
      if (this.received > this.expected.maxBytes) {
        throw new DomainError('too_large', this.expected.tooLargeMessage);
      }
      const { sizeBytes } = this.expected;
      if (sizeBytes !== undefined && this.received > sizeBytes) throw this.sizeMismatch(sizeBytes);
      await this.expected.admit?.(this.received);
      this.inspection?.write(piece);
      this.signature?.write(piece);
      for (let rest = piece; rest.length > 0;) {
        slab ??= await this.ring.takeFree();
        rest = rest.subarray(this.ring.append(slab, rest));
        if (rest.length > 0 || this.ring.isFull(slab)) {
          this.ring.publish(slab);
          slab = undefined;
        }
      }
    }
    if (slab) this.ring.publish(slab);
    this.ring.publish(undefined);
  }

  private async verify(): Promise<UploadDigests> {
    const [md5, hashValue] = await Promise.all([this.md5.digest(), this.hash.digest()]);
    const { sizeBytes } = this.expected;
    if (sizeBytes !== undefined && sizeBytes !== this.received) {
      throw this.sizeMismatch(sizeBytes);
    }
    if (this.expected.md5 !== undefined && this.expected.md5.toLowerCase() !== md5) {
      throw new DomainError(
        'data_mismatch',
        `Supplied checksum (${this.expected.md5}) and checksum generated from uploaded image (${md5}) did not match.`,
      );
    }
    if (this.expected.hash && this.expected.hash.value.toLowerCase() !== hashValue) {
      throw new DomainError(
        'data_mismatch',
        `The image is to have the ${this.hashAlgorithm} ${this.expected.hash.value}, and its data has ${hashValue}.`,
      );
    }
    this.signature?.end();
    const virtualSizeBytes = this.inspection?.end() ?? null;
    const { received: size, hashAlgorithm } = this;
    return { sizeBytes: size, md5, hashAlgorithm, hashValue, virtualSizeBytes };
  }

  private sizeMismatch(announced: number): DomainError {
    return new DomainError(
      'data_mismatch',
      `Supplied size (${announced}) and size generated from uploaded image (${this.received}) did not match.`,
    );
  }

  private keepUntilHashed(hashed: Promise<unknown>): void {
    const settled = hashed.catch(() => undefined);
    this.pendingHashes.add(settled);
    void settled.then(() => this.pendingHashes.delete(settled));
  }

  /**
   * Frees threads and memory. The iteration does so at its end; a caller whose store never began to
   * iterate does it here.
   */
  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    this.body.release();
    // The memory goes back only when no thread can still be reading it.
    await Promise.all(this.pendingHashes);
    this.md5.close();
    this.hash.close();
    this.ring.recycle();
  }
}
