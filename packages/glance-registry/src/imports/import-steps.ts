import {
  DomainError,
  IMPORT_PROPERTIES,
  importVerdict,
  type AbandonUpload,
  type CommitUpload,
  type ImageStatus,
} from '@glance/common';
import type { ImageEvent } from '../events/event-log';
import { eraseImage } from '../deletions/erase-image';
import type { LockedImage } from '../images/image-repository';
import { countedBytes, type Accounts } from '../quota/accounts';
import { checkLeaseQuota } from '../quota/check-limits';
import type { Repositories } from '../repositories';
import type { Lease } from '../uploads/lease-repository';
import { showProgress, wordFor } from './import-progress';
import { learn, learnedColumns, unlearn } from './learned-facts';
import type { Import, StoredTarget } from './import-repository';

/** Why what went on with an image has ended. */
export const DELETED = 'The image was deleted';

const WITH_DATA: readonly ImageStatus[] = ['active', 'deactivated'];

/**
 * One store of an import has been filled: its location is the image's, and the import goes on or
 * has ended. Image and lease are locked.
 * @param accounts with that of the image's owner
 * @returns false when the attempt is fenced
 */
export async function commitImportStep(
  repositories: Repositories,
  accounts: Accounts,
  image: LockedImage,
  lease: Lease,
  commit: CommitUpload,
): Promise<boolean> {
  const { images, imports, locations, leases, events } = repositories;
  const { row, storedLocations } = image;
  const { learned = {} } = commit;
  const job = await imports.find(row.id);
  if (job?.uploadId !== lease.uploadId) return false;
  if (job.method === 'export') {
    await commitExport(repositories, job, lease, commit);
    return true;
  }
  checkLeaseQuota(accounts, lease, commit.sizeBytes, commit.limits);
  // The data of a further store is that of the first, which has told all there is to know of it.
  const isFurther =
    lease.kind === 'image_copy' || job.targets.some(({ state }) => state === 'done');
  if (isFurther) checkSameData(image, commit);
  await locations.insert(row.id, commit.location);
  const locationId = await locations.lastIdOf(row.id);
  const targets = withState(job, 'done', locationId);
  const verdict = importVerdict(targets, job.allMustSucceed);
  const found = {
    size: commit.sizeBytes,
    virtual_size: commit.virtualSizeBytes,
    checksum: commit.checksum,
    os_hash_algo: commit.hashAlgorithm,
    os_hash_value: commit.hashValue,
    ...learnedColumns(learned),
  };
  const columns = isFurther ? {} : found;
  const activates = lease.kind === 'import' && (verdict === 'succeeded' || !job.allMustSucceed);
  const changed = activates
    ? await images.transition(row.id, ['importing'], 'active', { columns })
    : lease.kind === 'import'
      ? await images.update(row.id, columns, ['importing'])
      : await images.update(row.id, {}, WITH_DATA);
  if (!changed) return false;
  const before = isFurther ? job.before : await learn(repositories, row, learned);
  await leases.finish(lease.uploadId, 'committed');
  const stored = { status: row.status, size: commit.sizeBytes };
  await accounts.add(row.owner, {
    usedBytes: countedBytes(stored, storedLocations + 1) - countedBytes(row, storedLocations),
  });
  // From here on the data is the image's own: whoever can read its store can go on.
  const advanced = { ...job, targets, areaId: null, before };
  if (verdict === 'next') {
    await imports.advance(advanced);
    await showProgress(repositories, advanced);
  } else {
    await end(repositories, advanced, { status: 'success' });
  }
  const storeId = job.targets.find(({ state }) => state === 'waiting')?.storeId ?? '';
  const about = { taskId: job.taskId, bytes: commit.sizeBytes };
  await events.record(row.id, [
    { kind: 'import.filled', storeId, ...about },
    ...(activates ? [{ kind: 'import.activated' as const, ...about }] : []),
    ...(verdict === 'next' ? [] : [{ kind: 'import.finished' as const, taskId: job.taskId }]),
  ]);
  return true;
}

/** The data is where it was to be written, which is none of the image's locations. */
async function commitExport(
  repositories: Repositories,
  job: Import,
  lease: Lease,
  { location, sizeBytes, checksum }: CommitUpload,
): Promise<void> {
  const { leases, events } = repositories;
  await leases.finish(lease.uploadId, 'committed');
  const result = { location: location.url, size: sizeBytes, checksum };
  await end(repositories, job, { status: 'success', result });
  const about = { taskId: job.taskId, bytes: sizeBytes };
  await events.record(job.imageId, [{ kind: 'export.finished', ...about }]);
}

/**
 * An attempt at a store has come to nothing. Image and lease are locked; the lease is still live.
 * @returns by how much the bytes of the image's owner change
 */
export async function failImportStep(
  repositories: Repositories,
  image: LockedImage,
  lease: Lease,
  state: 'abandoned' | 'expired',
  { copy: how = 'failed', message }: Pick<AbandonUpload, 'copy' | 'message'>,
): Promise<number> {
  const { imports, events } = repositories;
  const job = await imports.find(image.row.id);
  if (job?.uploadId !== lease.uploadId) return 0;
  // The next claim goes on where a dead process has stopped.
  const goesOn = how === 'handed_back' || (state === 'expired' && !job.isLastAttempt);
  if (goesOn) {
    if (how === 'handed_back') await imports.handBack(job.imageId);
    const reason = how === 'handed_back' ? 'The service was stopped' : 'The process ended';
    const about = { taskId: job.taskId, bytes: lease.bytesReceived };
    const kind = `${wordFor(job)}.interrupted` as const;
    await events.record(job.imageId, [{ kind, reason: `${reason}; another goes on`, ...about }]);
    return 0;
  }
  const reason =
    message ??
    (state === 'expired'
      ? `The service ended ${job.attempts} times while it ran this import`
      : 'Task failed due to Internal Error');
  return await failTarget(repositories, image, job, reason);
}

/**
 * Ends an import whose staged data nobody can read any more.
 * @returns as failImportStep
 */
export async function failStranded(
  repositories: Repositories,
  image: LockedImage,
  job: Import,
): Promise<number> {
  const node = job.areaId === null ? undefined : await repositories.staging.nodeOf(job.areaId);
  const what =
    job.method === 'glance-download' ? 'The token of the import' : 'The data of the import';
  const message = `${what} is on ${node ?? 'a node that was never heard of'}, which does not answer`;
  return await failTarget(repositories, image, job, message);
}

/** The image is being deleted: its import has failed, and what was staged is nobody's. */
export async function cancelImport(repositories: Repositories, imageId: string): Promise<void> {
  const job = await repositories.imports.find(imageId);
  if (!job) {
    await releaseStaged(repositories, imageId);
    return;
  }
  const { taskId } = job;
  await end(repositories, job, { status: 'failure', message: DELETED });
  await repositories.events.record(imageId, [
    { kind: `${wordFor(job)}.failed`, taskId, reason: DELETED },
  ]);
}

async function failTarget(
  repositories: Repositories,
  image: LockedImage,
  job: Import,
  message: string,
): Promise<number> {
  const failed = { ...job, targets: withState(job, 'failed') };
  const verdict = importVerdict(failed.targets, job.allMustSucceed);
  const { taskId, imageId } = job;
  const storeId = job.targets.find(({ state }) => state === 'waiting')?.storeId ?? '';
  const happened: ImageEvent[] =
    job.method === 'export'
      ? []
      : [{ kind: 'import.store_failed', taskId, storeId, reason: message }];
  let usedBytes = 0;
  if (verdict === 'next') {
    await repositories.imports.advance(failed);
    await showProgress(repositories, failed);
  } else if (verdict === 'succeeded') {
    await end(repositories, failed, { status: 'success' });
    happened.push({ kind: 'import.finished', taskId });
  } else {
    usedBytes = await rollBack(repositories, image, failed, message);
    happened.push({ kind: `${wordFor(job)}.failed`, taskId, reason: message });
    if (job.deletesImage) happened.push({ kind: 'image.deleted' });
  }
  await repositories.events.record(imageId, happened);
  return usedBytes;
}

/** What other stores got is removed, and an image without data waits to be given some again. */
async function rollBack(
  repositories: Repositories,
  image: LockedImage,
  job: Import,
  message: string,
): Promise<number> {
  const { images, locations, removals } = repositories;
  const { row, storedLocations } = image;
  for (const { locationId } of job.targets) {
    if (locationId === undefined) continue;
    await locations.markOnePendingDelete(locationId);
    await removals.begin(row.id, locationId);
  }
  const targets = job.targets.map((target): StoredTarget =>
    target.state === 'failed' ? target : { ...target, state: 'done' },
  );
  await end(repositories, { ...job, targets }, { status: 'failure', message });
  if (row.status !== 'importing') return 0;
  if (job.deletesImage) {
    await eraseImage(repositories, image, image.now);
    return 0;
  }
  const columns = {
    ...{ checksum: null, os_hash_algo: null, os_hash_value: null },
    ...(job.before ? await unlearn(repositories, row.id, job.before) : {}),
  };
  await images.transition(row.id, ['importing'], 'queued', { columns });
  return -countedBytes(row, storedLocations);
}

async function end(
  repositories: Repositories,
  job: Import,
  outcome:
    | { status: 'success'; result?: Record<string, unknown> }
    | { status: 'failure'; message: string },
): Promise<void> {
  const { imports, tasks, properties } = repositories;
  const { imageId, taskId, timeToLiveHours } = job;
  await showProgress(repositories, job);
  await properties.erase(imageId, IMPORT_PROPERTIES.task);
  await releaseStaged(repositories, imageId);
  await tasks.end(
    taskId,
    outcome.status === 'success'
      ? { status: 'success', result: { image_id: imageId, ...outcome.result }, timeToLiveHours }
      : { ...outcome, timeToLiveHours },
  );
  await imports.forget(imageId);
}

/** The sweeper of whoever reads the area removes data that is `abandoned`. */
async function releaseStaged({ staging, leases }: Repositories, imageId: string): Promise<void> {
  const staged = await staging.find(imageId);
  if (!staged) return;
  await leases.finish(staged.uploadId, 'abandoned');
  await staging.forget(imageId);
}

/** The store whose turn it is, in another state. */
function withState(
  { targets }: Import,
  state: StoredTarget['state'],
  locationId?: number,
): StoredTarget[] {
  const turn = targets.findIndex((target) => target.state === 'waiting');
  return targets.map((target, index) =>
    index === turn
      ? { ...target, state, ...(locationId === undefined ? {} : { locationId }) }
      : target,
  );
}

/** @throws DomainError `data_mismatch`: what was copied is not what the image has. */
function checkSameData({ row }: LockedImage, commit: CommitUpload): void {
  const isSame =
    (row.size === null || Number(row.size) === commit.sizeBytes) &&
    (row.checksum === null || row.checksum === commit.checksum);
  if (isSame) return;
  throw new DomainError('data_mismatch', 'The copied data is not the data of the image');
}
