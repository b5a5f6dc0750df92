/**
 * `read` repeats harmlessly; `write` carries a request key; `settle` (commit, abandon) must end
 * with a certain answer, because the uploader keeps or removes its blob by it.
 */
export type CallKind = 'read' | 'write' | 'settle';

/** All in milliseconds; the defaults are those of the reliability sheet, §7 and §13. */
export interface RegistryTimeouts {
  connect: number;
  /** The longest wait for one answer. */
  readAnswer: number;
  writeAnswer: number;
  /** The longest wait for a call with all its tries, unless its caller says otherwise. */
  readTotal: number;
  writeTotal: number;
  settleTotal: number;
  /** Reads and writes are given up when no registry could be connected to for this long. */
  unreachable: number;
}

export const DEFAULT_REGISTRY_TIMEOUTS: Readonly<RegistryTimeouts> = Object.freeze({
  connect: 2_000,
  readAnswer: 10_000,
  writeAnswer: 30_000,
  readTotal: 3_000,
  writeTotal: 30_000,
  settleTotal: 60_000,
  unreachable: 3_000,
});

/** A registry that is reached but does not answer properly is not helped by more calls. */
const MAX_LOST_ANSWERS = { read: 3, write: 3, settle: Infinity } as const;
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = { read: 1_000, write: 1_000, settle: 5_000 } as const;

/** The time one call may take, over all its tries. */
export class CallBudget {
  tries = 0;
  private readonly startedAt = performance.now();
  private readonly totalMs: number;
  private lostAnswers = 0;
  private unreachableSince: number | undefined;

  constructor(
    private readonly kind: CallKind,
    private readonly timeouts: RegistryTimeouts,
    callerMs: number | undefined,
  ) {
    this.totalMs = callerMs ?? timeouts[`${kind}Total`];
  }

  get elapsedMs(): number {
    return performance.now() - this.startedAt;
  }

  get remainingMs(): number {
    return Math.max(0, this.totalMs - this.elapsedMs);
  }

  /** How long the next try may wait, with `untried` registries (itself included) to turn to. */
  nextTryMs(untried: number): number {
    const answerMs = this.kind === 'read' ? this.timeouts.readAnswer : this.timeouts.writeAnswer;
    return Math.max(1, Math.min(answerMs, this.remainingMs / Math.max(1, untried)));
  }

  /** Notes a try that failed. `reached` tells whether a connection stood. */
  noteFailure(reached: boolean): void {
    if (reached) this.lostAnswers += 1;
    this.unreachableSince = reached ? undefined : (this.unreachableSince ?? performance.now());
  }

  /** Milliseconds to pause before another try; undefined when there shall be none. */
  pauseBeforeRetry(anotherIsUntried: boolean): number | undefined {
    const remainingMs = this.remainingMs;
    if (remainingMs <= 0 || this.isUnreachableTooLong()) return undefined;
    if (anotherIsUntried) return 0;
    if (this.lostAnswers >= MAX_LOST_ANSWERS[this.kind]) return undefined;
    // Full jitter: callers that failed together do not come back together.
    const ceiling = Math.min(LONGEST_PAUSE_MS[this.kind], FIRST_PAUSE_MS * 2 ** (this.tries - 1));
    const pauseMs = Math.random() * ceiling;
    return pauseMs < remainingMs ? pauseMs : undefined;
  }

  private isUnreachableTooLong(): boolean {
    return (
      this.kind !== 'settle' &&
      this.unreachableSince !== undefined &&
      performance.now() - this.unreachableSince >= this.timeouts.unreachable
    );
  }
}
