export type StoreOperation =
  | 'add'
  | 'copy'
  | 'get'
  | 'sizeOf'
  | 'delete'
  | 'discard'
  | 'settle'
  | 'listBlobs'
  | 'listUnfinished'
  | 'removeUnfinished'
  | 'checkWritable'
  | 'checkReadable'
  | 'setAccess';

/** Everything here only ever grows, except `inFlight` and `openReaders`. */
export interface OperationMetrics {
  calls: number;
  inFlight: number;
  /** By error code; `aborted` and `source_failed` are no fault of the store. */
  failures: Record<string, number>;
  totalMs: number;
  maxMs: number;
}

export interface StoreMetrics {
  storeId: string;
  type: string;
  bytesWritten: number;
  bytesRead: number;
  openReaders: number;
  operations: Partial<Record<StoreOperation, OperationMetrics>>;
}

/** Counts of one store since the process started. */
export class StoreMeter {
  private readonly operations = new Map<StoreOperation, OperationMetrics>();
  private bytesWritten = 0;
  private bytesRead = 0;
  private openReaders = 0;

  /** Times the work; `nameFailure` says under which name a failure counts. */
  async measure<T>(
    operation: StoreOperation,
    work: () => Promise<T>,
    nameFailure: (error: unknown) => string,
  ): Promise<T> {
    const metrics = this.metricsOf(operation);
    metrics.calls += 1;
    metrics.inFlight += 1;
    const start = performance.now();
    try {
      return await work();
    } catch (error) {
      const name = nameFailure(error);
      metrics.failures[name] = (metrics.failures[name] ?? 0) + 1;
      throw error;
    } finally {
      const elapsedMs = performance.now() - start;
      metrics.inFlight -= 1;
      metrics.totalMs += elapsedMs;
      metrics.maxMs = Math.max(metrics.maxMs, elapsedMs);
    }
  }

  readonly countWritten = (bytes: number): void => {
    this.bytesWritten += bytes;
  };

  readonly countRead = (bytes: number): void => {
    this.bytesRead += bytes;
  };

  readerOpened(): void {
    this.openReaders += 1;
  }

  readerClosed(): void {
    this.openReaders -= 1;
  }

  snapshot(storeId: string, type: string): StoreMetrics {
    const operations: StoreMetrics['operations'] = {};
    for (const [operation, metrics] of this.operations) {
      operations[operation] = { ...metrics, failures: { ...metrics.failures } };
    }
    return {
      storeId,
      type,
      bytesWritten: this.bytesWritten,
      bytesRead: this.bytesRead,
      openReaders: this.openReaders,
      operations,
    };
  }

  private metricsOf(operation: StoreOperation): OperationMetrics {
    let metrics = this.operations.get(operation);
    if (!metrics) {
      metrics = { calls: 0, inFlight: 0, failures: {}, totalMs: 0, maxMs: 0 };
      this.operations.set(operation, metrics);
    }
    return metrics;
  }
}
