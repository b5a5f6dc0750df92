import {
  MAX_REPORTED_DOWNLOADS,
  isDomainError,
  type DownloadReport,
  type ImageRecord,
} from '@glance/common';
import type { Registry } from '@glance/registry-client';
import { clientView, type Logger } from '@glance/service-kit';
import type { Request } from 'express';
import { serviceContext } from '../auth/call-context';
import { identityOf } from '../auth/authenticate';

/** What is noted while the registry cannot be told; more are not told of. */
const MAX_NOTED = 1000;

/** So often a registry that wants no reports is asked again: its configuration may have changed. */
const ASK_AGAIN_MS = 60_000;
/** And one that gave no answer. */
const TRY_AGAIN_MS = 5000;

/**
 * Tells the registry of downloads that have ended, for `image.send`, some time afterwards and many
 * at once: a download neither waits for that nor fails over it. What is noted when the process
 * dies, or cannot be told, is not told.
 */
export class DownloadReports {
  private noted: DownloadReport[] = [];
  private missed = 0;
  private isWanted = false;
  private askAgainAt = -Infinity;

  constructor(
    private readonly registry: Registry,
    private readonly logger: Logger,
  ) {}

  /**
   * Called as a download begins: later nobody knows where its client was.
   * @param bytesExpected of what the request asks for
   * @returns what is to be called when it has ended.
   */
  begin(req: Request, image: ImageRecord, bytesExpected: number): (bytesSent: number) => void {
    const { userId, projectId } = identityOf(req);
    const address = clientView(req).address ?? null;
    const { id: imageId, owner } = image;
    return (bytesSent) => {
      this.note({ imageId, owner, bytesSent, bytesExpected, userId, projectId, address });
    };
  }

  /** Hands over what was noted since the last time. Never fails. */
  async flush(): Promise<void> {
    if (this.isWanted ? this.noted.length === 0 : performance.now() < this.askAgainAt) return;
    let waitMs = ASK_AGAIN_MS;
    do {
      const downloads = this.noted.splice(0, MAX_REPORTED_DOWNLOADS);
      try {
        this.isWanted = await this.tell(downloads);
      } catch (error) {
        this.isWanted = false;
        // One of an earlier release cannot be told at all.
        if (!isDomainError(error, 'not_found')) waitMs = TRY_AGAIN_MS;
        this.missed += downloads.length;
      }
    } while (this.isWanted && this.noted.length > 0);
    if (!this.isWanted) this.forget(waitMs);
    if (this.missed === 0) return;
    this.logger.warn(`Nobody is told of ${this.missed} downloads that have ended`);
    this.missed = 0;
  }

  /** Hands over what is left. */
  async close(): Promise<void> {
    if (this.noted.length > 0) await this.flush();
  }

  private note(report: DownloadReport): void {
    if (!this.isWanted) return;
    if (this.noted.length < MAX_NOTED) this.noted.push(report);
    else this.missed += 1;
  }

  private forget(waitMs: number): void {
    this.noted = [];
    this.askAgainAt = performance.now() + waitMs;
  }

  private async tell(downloads: DownloadReport[]): Promise<boolean> {
    const context = serviceContext();
    return await this.registry.reportDownloads({ downloads }, context);
  }
}
