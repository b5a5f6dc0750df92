import type { ImageStatus } from '@glance/common';
import { toNumber } from '../db/values';
import type { Usage, UsageRepository } from './usage-repository';

/**
 * The quota accounts that one transaction touches, locked in one order. Opened before the
 * transaction changes images or locations, see {@link UsageRepository.lock}.
 */
export class Accounts {
  private constructor(
    private readonly repository: UsageRepository,
    private readonly usages: ReadonlyMap<string, Usage>,
  ) {}

  /** An owner that is null has no account. */
  static async open(
    repository: UsageRepository,
    owners: readonly (string | null)[],
  ): Promise<Accounts> {
    const usages = new Map<string, Usage>();
    const names = new Set(owners.filter((owner) => owner !== null));
    for (const owner of [...names].sort()) usages.set(owner, await repository.lock(owner));
    return new Accounts(repository, usages);
  }

  /** Undefined for an image without owner, which no quota limits. */
  usageOf(owner: string | null): Usage | undefined {
    return owner === null ? undefined : this.usages.get(owner);
  }

  async add(owner: string | null, change: Partial<Usage>): Promise<void> {
    const { usedBytes = 0, reservedBytes = 0 } = change;
    if (owner === null || (usedBytes === 0 && reservedBytes === 0)) return;
    await this.repository.add(owner, { usedBytes, reservedBytes });
  }
}

/**
 * Bytes of an image's owner's quota that it takes: its size for every location whose data is not
 * gone (schema sheet §5.5). One that waits for the removal of its data counts until it is gone.
 */
export function countedBytes(
  image: { status: ImageStatus; size: number | string | null },
  storedLocations: number,
): number {
  if (image.size === null || image.status === 'killed' || image.status === 'deleted') return 0;
  return toNumber(image.size) * storedLocations;
}
