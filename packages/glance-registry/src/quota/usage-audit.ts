import type { Logger } from '@glance/service-kit';
import type { TransactionRunner } from '../db/transaction';
import type { Repositories } from '../repositories';
import type { Usage } from './usage-repository';

const PAGE = 500;

export interface UsageRepair {
  owner: string;
  was: Usage;
  is: Usage;
}

export interface AuditOptions {
  transactions: TransactionRunner<Repositories>;
  logger: Logger;
  /** Told how many accounts were looked at so far. */
  onProgress?: (accounts: number) => void;
  isCancelled?: () => boolean;
}

/**
 * Compares the account of every owner with what the tables hold and repairs it (reliability sheet
 * §9, P9): another program that writes to the database, as an upstream release put back on it for a
 * while, does not keep accounts. Any number of registries may do so at once.
 */
export async function auditUsage(options: AuditOptions): Promise<UsageRepair[]> {
  const { transactions, logger, onProgress, isCancelled = () => false } = options;
  const repairs: UsageRepair[] = [];
  let looked = 0;
  let after: string | undefined;
  do {
    const owners = await transactions.read({}, ({ usage }) => usage.listOwners(after, PAGE));
    for (const owner of owners) {
      if (isCancelled()) return repairs;
      const repair = await auditOwner(transactions, owner);
      if (!repair) continue;
      repairs.push(repair);
      logger.warn('The quota account of a project was wrong and is repaired', {
        owner,
        usedWas: repair.was.usedBytes,
        usedIs: repair.is.usedBytes,
        reservedWas: repair.was.reservedBytes,
        reservedIs: repair.is.reservedBytes,
      });
    }
    looked += owners.length;
    onProgress?.(looked);
    after = owners.length < PAGE ? undefined : owners.at(-1);
  } while (after !== undefined);
  return repairs;
}

/** Without the lock first: an account that looks right is not worth making uploads wait. */
async function auditOwner(
  transactions: TransactionRunner<Repositories>,
  owner: string,
): Promise<UsageRepair | undefined> {
  const wrong = await transactions.read({}, async ({ usage }) => {
    const was = await usage.find(owner);
    return was !== undefined && differs(was, await usage.measure(owner));
  });
  if (!wrong) return undefined;
  return await transactions.write({}, async ({ usage }) => {
    // Whoever changes what is counted holds this lock: the measure is exact.
    const was = await usage.lock(owner);
    const is = await usage.measure(owner);
    if (!differs(was, is)) return undefined;
    await usage.set(owner, is);
    return { owner, was, is };
  });
}

function differs(a: Usage, b: Usage): boolean {
  return a.usedBytes !== b.usedBytes || a.reservedBytes !== b.reservedBytes;
}
