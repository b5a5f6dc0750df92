import { setMaxListeners } from 'node:events';
import { describeError } from '@glance/common';
import type { CallContext } from '@glance/registry-client';
import type { Logger } from '@glance/service-kit';
import { serviceContext } from '../auth/call-context';

export interface ClaimedWorkOptions {
  logger: Logger;
  /** Done at a time in this process. */
  concurrency: number;
}

/**
 * Work on images that the registry gives to whichever process claims it first, and that is done as
 * the service itself, at most so much at a time.
 */
export abstract class ClaimedWork<Claim> {
  private readonly workers = new Set<Promise<void>>();
  private readonly stopping = new AbortController();

  /** @param name begins sentences of the log, such as `Copies` */
  constructor(
    private readonly name: string,
    private readonly pace: ClaimedWorkOptions,
  ) {
    // Every worker listens.
    setMaxListeners(0, this.stopping.signal);
  }

  /** Begins what was just promised. Without room here it waits for whoever looks for work next. */
  begin(imageId: string): void {
    this.startWorker(imageId);
  }

  /** Looks for work that nobody does. It goes on after this returns. */
  sweep(): Promise<void> {
    this.startWorker();
    return Promise.resolve();
  }

  /** Hands back what runs, so that others can go on with it at once. */
  async close(): Promise<void> {
    this.stopping.abort();
    await Promise.all(this.workers);
  }

  /** @returns null when there is nothing to do, for the one image or, without one, for any. */
  protected abstract claim(
    imageId: string | undefined,
    context: CallContext,
  ): Promise<Claim | null>;

  /** Never fails. */
  protected abstract carryOut(claim: Claim, context: CallContext): Promise<void>;

  /** The image that is to be asked for first after this; undefined for any. */
  protected abstract continueWith(claim: Claim): string | undefined;

  /** Ends what runs. */
  protected get stopSignal(): AbortSignal {
    return this.stopping.signal;
  }

  private startWorker(imageId?: string): void {
    const { concurrency, logger } = this.pace;
    if (this.stopping.signal.aborted || this.workers.size >= concurrency) return;
    const worker = this.work(imageId).catch((error: unknown) => {
      logger.warn(`${this.name} could not be claimed; the next search tries again`, {
        error: describeError(error),
      });
    });
    this.workers.add(worker);
    void worker.then(() => this.workers.delete(worker));
  }

  private async work(imageId: string | undefined): Promise<void> {
    for (let wanted = imageId; !this.stopping.signal.aborted;) {
      const context = serviceContext();
      const claimed = await this.claim(wanted, context);
      if (claimed) {
        // There may be more to do than one worker does.
        this.startWorker();
        await this.carryOut(claimed, context);
        wanted = this.continueWith(claimed);
      } else if (wanted === undefined) return;
      else wanted = undefined;
    }
  }
}
