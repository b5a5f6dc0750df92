import { DomainError } from '@glance/common';

export interface TransferLimits {
  /** Transfers that this process carries at a time; 0 for no limit. */
  maxTransfers: number;
  /** Of these, those of one project; 0 for no limit. Callers without a project count as one. */
  maxTransfersPerProject: number;
}

/**
 * Lets uploads and downloads of image data begin as long as there is room for them. Each takes 1 MiB
 * of memory, a connection and a part of the disks' and the network's time: what is too much is
 * refused before it costs anything, instead of making everybody slow (security sheet §7).
 */
export class TransferAdmission {
  private running = 0;
  private refusals = 0;
  private readonly runningOf = new Map<string, number>();

  constructor(private readonly limits: TransferLimits) {}

  get inFlight(): number {
    return this.running;
  }

  /** How many found no room, since the process began. */
  get refused(): number {
    return this.refusals;
  }

  /**
   * Carries out a transfer, whose place is free again however it ends.
   * @throws DomainError `overloaded` before `work` has begun.
   */
  async during<T>(projectId: string | null, work: () => Promise<T>): Promise<T> {
    const project = projectId ?? '';
    const ofProject = this.runningOf.get(project) ?? 0;
    const { maxTransfers, maxTransfersPerProject } = this.limits;
    if (maxTransfers > 0 && this.running >= maxTransfers) {
      throw this.refuse('Too many transfers of image data are running; try again.');
    }
    if (maxTransfersPerProject > 0 && ofProject >= maxTransfersPerProject) {
      throw this.refuse('Too many transfers of image data of this project are running; try again.');
    }
    this.running += 1;
    this.runningOf.set(project, ofProject + 1);
    try {
      return await work();
    } finally {
      this.running -= 1;
      const left = (this.runningOf.get(project) ?? 1) - 1;
      if (left === 0) this.runningOf.delete(project);
      else this.runningOf.set(project, left);
    }
  }

  private refuse(message: string): DomainError {
    this.refusals += 1;
    return new DomainError('overloaded', message);
  }
}
