import {
  isDomainError,
  type DomainError,
  type ProjectLimits,
  type UploadLease,
} from '@glance/common';
import type { CallContext, Registry } from '@glance/registry-client';
import type { Logger } from '@glance/service-kit';

/** How far a reservation of unknown size is kept ahead of the bytes received. */
const RESERVATION_STEP_BYTES = 64 * 1024 * 1024;

export interface KeptLease {
  registry: Registry;
  context: CallContext;
  logger: Logger;
  imageId: string;
  lease: UploadLease;
  bytesReceived(): number;
  /** Of the owner of the image; undefined for none. */
  limits(): ProjectLimits | undefined;
  /** The lease is lost: this process may not finish the upload. */
  onLost(error: DomainError): void;
}

/**
 * Keeps the lease of a running upload alive. A registry that is away for a while does not end the
 * upload; a registry that says the lease is gone does.
 */
export class LeaseKeeper {
  private timer: NodeJS.Timeout | undefined;
  private stopped = false;
  private reservedBytes = 0;

  constructor(private readonly kept: KeptLease) {
    this.schedule();
  }

  stop(): void {
    this.stopped = true;
    clearTimeout(this.timer);
  }

  /**
   * Raises the quota reservation before more bytes are taken than it covers.
   * @throws DomainError `quota_exceeded`.
   */
  reserve(totalBytes: number): Promise<void> | undefined {
    return totalBytes <= this.reservedBytes ? undefined : this.raiseReservation(totalBytes);
  }

  private async raiseReservation(totalBytes: number): Promise<void> {
    try {
      await this.beat(totalBytes + RESERVATION_STEP_BYTES);
    } catch (error) {
      if (!isDomainError(error, 'quota_exceeded')) throw error;
      // Near the limit: what is already here may still fit.
      await this.beat(totalBytes);
    }
  }

  private async beat(reserveBytes?: number): Promise<void> {
    const { registry, imageId, lease, context } = this.kept;
    const limits = this.kept.limits();
    await registry.heartbeat(
      imageId,
      lease.uploadId,
      {
        bytesReceived: this.kept.bytesReceived(),
        ...(reserveBytes === undefined ? {} : { reserveBytes }),
        ...(reserveBytes === undefined || limits === undefined ? {} : { limits }),
      },
      context,
    );
    if (reserveBytes !== undefined) this.reservedBytes = reserveBytes;
  }

  private schedule(): void {
    if (this.stopped) return;
    this.timer = setTimeout(
      () => void this.beatAndSchedule(),
      this.kept.lease.heartbeatSeconds * 1000,
    );
  }

  private async beatAndSchedule(): Promise<void> {
    try {
      await this.beat();
    } catch (error) {
      if (this.stopped) return;
      if (isDomainError(error, 'upload_fenced', 'image_deleted', 'image_not_found', 'not_found')) {
        this.kept.onLost(error);
        return;
      }
      this.kept.logger.warn(
        `The lease of upload ${this.kept.lease.uploadId} could not be renewed; trying again`,
        { image: this.kept.imageId, error: (error as Error).message },
      );
    }
    this.schedule();
  }
}
