const FAILURES_TO_OPEN = 5;
const PROBE_INTERVAL_MS = 1_000;
/** What was seen longer ago than this says nothing about now. */
const STALE_MS = 10_000;

/**
 * Spares callers the wait for a registry that has been gone for a while. It opens when all tries
 * (at least five) over `openAfterMs` failed, and then lets one call a second through; the first
 * answer closes it. A restart shorter than `openAfterMs` is bridged by retries instead.
 */
export class CircuitBreaker {
  private failures = 0;
  private firstFailureAt = 0;
  private lastFailureAt = 0;
  private nextProbeAt = 0;

  constructor(
    private readonly openAfterMs: number,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** Whether a call may go out now. While open, a call that is let through is the probe. */
  admits(): boolean {
    const now = this.now();
    if (!this.isOpen()) return true;
    if (now < this.nextProbeAt) return false;
    this.nextProbeAt = now + PROBE_INTERVAL_MS;
    return true;
  }

  noteAnswer(): void {
    this.failures = 0;
  }

  noteFailure(): void {
    this.lastFailureAt = this.now();
    if (this.failures === 0) this.firstFailureAt = this.lastFailureAt;
    this.failures += 1;
  }

  isOpen(): boolean {
    const now = this.now();
    return (
      this.failures >= FAILURES_TO_OPEN &&
      this.lastFailureAt - this.firstFailureAt >= this.openAfterMs &&
      now - this.lastFailureAt < STALE_MS
    );
  }
}
