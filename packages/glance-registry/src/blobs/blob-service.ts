import type { Identity, JudgeBlobs, ListProjects, UnownedBlob } from '@glance/common';
import { selectRows, sql, sqlText } from '../db/sql';
import type { CallScope, TransactionRunner } from '../db/transaction';
import { requireService } from '../http/require-service';
import type { Repositories } from '../repositories';
import { findOwned } from './blob-owners';

/** Whose the blobs of the stores are (reliability sheet §9, orphan blobs). */
export class BlobService {
  constructor(private readonly transactions: TransactionRunner<Repositories>) {}

  /**
   * Those that no image has. They are remembered until one turns out to have them; so the name of a
   * blob that is called an orphan has been out of reach of new uploads (`firstAttempt`) since the
   * first look, and whoever removes it removes nothing else.
   */
  async judge(
    { storeId, confirmAfterSeconds, blobs }: JudgeBlobs,
    identity: Identity,
    { deadline }: CallScope,
  ): Promise<UnownedBlob[]> {
    requireService(identity);
    // Repeating the call is harmless: its answer is not kept under the request key.
    const scope: CallScope = { deadline };
    // A store of several directories may have a name twice. Sorted: calls at once lock in one order.
    const names = [...new Set(blobs.map(({ name }) => name))].sort();
    const { owned, remembered } = await this.transactions.read(scope, async (repositories) => ({
      owned: await findOwned(
        repositories,
        blobs.map((blob) => ({ ...blob, imageId: imageIdOf(blob.name) })),
      ),
      remembered: await repositories.orphans.find(storeId, names, confirmAfterSeconds),
    }));
    const unowned = names.filter((name) => !owned.has(name));
    const found = remembered.map(({ name }) => name).filter((name) => owned.has(name));
    if (unowned.length === 0 && found.length === 0) return [];

    const seen = await this.transactions.write(scope, async ({ orphans }) => {
      await orphans.forget(storeId, found);
      await orphans.remember(
        storeId,
        unowned.map((name) => ({ name, imageId: imageIdOf(name) })),
      );
      return await orphans.find(storeId, unowned, confirmAfterSeconds);
    });
    const known = new Set(remembered.map(({ name }) => name));
    return seen.map(({ name, firstSeenAt, isConfirmed }) => ({
      name,
      firstSeenAt,
      isOrphan: known.has(name) && isConfirmed,
    }));
  }

  /** In whose accounts blobs may be. */
  async listProjects(
    { after = '', limit }: ListProjects,
    identity: Identity,
    scope: CallScope,
  ): Promise<string[]> {
    requireService(identity);
    return await this.transactions.read(scope, async ({ connection }) => {
      // Grouped: MariaDB and MySQL then jump from owner to owner in the index.
      const rows = await selectRows<{ owner: string }>(
        connection,
        sql`SELECT owner FROM images WHERE owner > ${after}
          GROUP BY owner ORDER BY owner LIMIT ${sqlText(String(limit))}`,
      );
      return rows.map(({ owner }) => owner);
    });
  }
}

function imageIdOf(name: string): string {
  return name.slice(0, 36);
}
