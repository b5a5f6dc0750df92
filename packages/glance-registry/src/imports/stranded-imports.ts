import { SERVICE_IDENTITY } from '@glance/common';
import type { Logger } from '@glance/service-kit';
import type { TransactionRunner } from '../db/transaction';
import { Accounts } from '../quota/accounts';
import type { Repositories } from '../repositories';
import { failStranded } from './import-steps';

/** A staging area that nobody reads for so long is taken for lost (reliability sheet §4). */
const UNSEEN_SECONDS = 120;
/** Processes that held something for an import are areas too, each with a row of its own. */
const FORGOTTEN_SECONDS = 24 * 3600;
const BATCH = 100;

/** Ends imports whose staged data is on a node that is gone: their images can be staged again. */
export async function failStrandedImports(
  transactions: TransactionRunner<Repositories>,
  logger: Logger,
): Promise<void> {
  const stranded = await transactions.read({}, ({ imports }) =>
    imports.findStranded(UNSEEN_SECONDS, BATCH),
  );
  for (const imageId of stranded) {
    const failed = await transactions.write({}, (repositories) => fail(repositories, imageId));
    if (failed) logger.warn('An import was given up: its staging area is gone', { image: imageId });
  }
  await transactions.write({}, ({ staging }) => staging.forgetAreas(FORGOTTEN_SECONDS));
}

async function fail(repositories: Repositories, imageId: string): Promise<boolean> {
  const { images, imports, usage } = repositories;
  const image = await images.lock(imageId, SERVICE_IDENTITY, { skipLocked: true });
  const job = image && (await imports.find(imageId));
  if (!job || job.areaId === null) return false;
  const accounts = await Accounts.open(usage, [image.row.owner]);
  const usedBytes = await failStranded(repositories, image, job);
  await accounts.add(image.row.owner, { usedBytes });
  return true;
}
