import type { Detection, Detector, Seen, Want } from './detection';

/** More than this no detector asks for at once (security sheet §6: 2 MiB for all of them). */
const MAX_WANTED_BYTES = 1024 * 1024;
/** What detectors may ask for of the end. */
const TAIL_BYTES = 2048;

/** A detector at work, and the part of the stream that it waits for. */
class Run {
  private readonly steps: ReturnType<Detector>;
  private want: Want | undefined;
  private collected: Buffer | undefined;
  private filled = 0;
  private outcome: Detection | undefined;

  constructor(detector: Detector) {
    this.steps = detector();
    this.take(() => this.steps.next());
  }

  get result(): Detection | undefined {
    return this.outcome;
  }

  get waitsForParts(): boolean {
    return this.want !== undefined && 'offset' in this.want;
  }

  write(piece: Buffer, position: number): void {
    while (this.want !== undefined && 'offset' in this.want) {
      const next = this.want.offset + this.filled;
      if (next >= position + piece.length) return;
      if (next < position) {
        this.resume(position);
        continue;
      }
      const { length } = this.want;
      this.collected ??= Buffer.allocUnsafe(Math.min(length, MAX_WANTED_BYTES));
      this.filled += piece.copy(this.collected, this.filled, next - position);
      if (this.filled < this.collected.length) return;
      this.resume(position + piece.length);
    }
  }

  end(tail: Buffer, totalBytes: number): void {
    while (this.want !== undefined) {
      if ('offset' in this.want) this.resume(totalBytes);
      else {
        const bytes = tail.subarray(Math.max(0, tail.length - this.want.last));
        this.send({ bytes, totalBytes });
      }
    }
  }

  private resume(totalBytes: number): void {
    const bytes = this.collected?.subarray(0, this.filled) ?? Buffer.alloc(0);
    this.send({ bytes, totalBytes });
  }

  private send(seen: Seen): void {
    this.take(() => this.steps.next(seen));
  }

  /** A detector that fails has met what it was not made for: nothing that should be trusted. */
  private take(step: () => IteratorResult<Want, Detection | undefined>): void {
    this.collected = undefined;
    this.filled = 0;
    this.want = undefined;
    try {
      const { done, value } = step();
      if (done === true) this.outcome = value;
      else this.want = value;
    } catch {
      const text = 'it cannot be inspected';
      this.outcome = { virtualSizeBytes: null, faults: [{ check: 'inspector', text }] };
    }
  }
}

/** Shows a stream to detectors while it passes. Costs nothing once all have seen enough. */
export class StreamReader<Name extends string> {
  private readonly runs: ReadonlyMap<Name, Run>;
  private readonly tail = Buffer.alloc(TAIL_BYTES);
  private tailBytes = 0;
  private position = 0;
  private waiting = true;

  constructor(detectors: Readonly<Record<Name, Detector>>) {
    const entries = Object.entries<Detector>(detectors) as [Name, Detector][];
    this.runs = new Map(entries.map(([name, detector]) => [name, new Run(detector)]));
  }

  /** @param piece the caller's again when this returns. */
  write(piece: Buffer): void {
    if (this.waiting) {
      let waiting = false;
      for (const run of this.runs.values()) {
        run.write(piece, this.position);
        waiting ||= run.waitsForParts;
      }
      this.waiting = waiting;
    }
    this.position += piece.length;
    this.keepTail(piece);
  }

  /** What the stream is, by the names of the detectors. */
  end(): Map<Name, Detection> {
    const found = new Map<Name, Detection>();
    for (const [name, run] of this.runs) {
      run.end(this.tail.subarray(0, this.tailBytes), this.position);
      if (run.result) found.set(name, run.result);
    }
    return found;
  }

  private keepTail(piece: Buffer): void {
    const added = piece.subarray(Math.max(0, piece.length - TAIL_BYTES));
    const kept = Math.min(this.tailBytes, TAIL_BYTES - added.length);
    this.tail.copyWithin(0, this.tailBytes - kept, this.tailBytes);
    added.copy(this.tail, kept);
    this.tailBytes = kept + added.length;
  }
}
