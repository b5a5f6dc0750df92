import type { ClaimSweep, Identity } from '@glance/common';
import type { CallScope, TransactionRunner } from '../db/transaction';
import { requireService } from '../http/require-service';
import type { Repositories } from '../repositories';

/** Who does work that one process does for all of them. */
export class SweepService {
  constructor(private readonly transactions: TransactionRunner<Repositories>) {}

  async claim(
    { name, intervalSeconds }: ClaimSweep,
    identity: Identity,
    scope: CallScope,
  ): Promise<boolean> {
    requireService(identity);
    return await this.transactions.write(scope, ({ sweeps }) =>
      sweeps.claim(name, intervalSeconds),
    );
  }
}
