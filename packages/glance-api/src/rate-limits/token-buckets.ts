export interface BucketLimits {
  /** Tokens that come back to a bucket each second; 0 for no limit at all. */
  perSecond: number;
  /** Tokens that a bucket holds: so many may be taken at once. */
  burst: number;
}

interface Bucket {
  tokens: number;
  /** When `tokens` was right, in milliseconds. */
  at: number;
}

/** What is forgotten first was not asked for longest; it is then as one that was never seen. */
const MAX_BUCKETS = 10_000;

/** One token bucket a key, in the memory of this process and no more of them than it can bear. */
export class TokenBuckets {
  /** The one that was used last is the last one. */
  private readonly buckets = new Map<string, Bucket>();

  /** @param now a clock in milliseconds. */
  constructor(
    private readonly limits: BucketLimits,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** Whole seconds until there is a token; 0 when there is one. */
  secondsUntilToken(key: string): number {
    const { perSecond } = this.limits;
    if (perSecond === 0) return 0;
    const { tokens } = this.bucketOf(key);
    return tokens >= 1 ? 0 : Math.ceil((1 - tokens) / perSecond);
  }

  /** Takes a token, where there is one. */
  take(key: string): void {
    if (this.limits.perSecond === 0) return;
    const bucket = this.bucketOf(key);
    bucket.tokens = Math.max(0, bucket.tokens - 1);
    this.buckets.delete(key);
    this.buckets.set(key, bucket);
    if (this.buckets.size > MAX_BUCKETS) {
      const [oldest] = this.buckets.keys();
      if (oldest !== undefined) this.buckets.delete(oldest);
    }
  }

  /** As it is now; not kept before something is taken from it. */
  private bucketOf(key: string): Bucket {
    const { perSecond, burst } = this.limits;
    const at = this.now();
    const before = this.buckets.get(key);
    if (!before) return { tokens: burst, at };
    before.tokens = Math.min(burst, before.tokens + ((at - before.at) / 1000) * perSecond);
    before.at = at;
    return before;
  }
}
