import {
  DomainError,
  IMPORT_PROPERTIES,
  type BeginImport,
  type ClaimImport,
  type ClaimedImport,
  type Identity,
  type ImageStatus,
  type StagedData,
  type TaskRecord,
} from '@glance/common';
import { endPromise, SUPERSEDED } from '../copies/end-promise';
import type { CallScope, TransactionRunner } from '../db/transaction';
import type { ImageEvent } from '../events/event-log';
import { requireService } from '../http/require-service';
import { present, requireChangeable, requireFound } from '../images/image-rights';
import type { LockedImage } from '../images/image-repository';
import { Accounts } from '../quota/accounts';
import { checkBytes, checkStaged, checkUploading } from '../quota/check-limits';
import type { Repositories } from '../repositories';
import { claimUpload } from '../uploads/claim-upload';
import type { Import } from './import-repository';
import { showProgress, wordFor } from './import-progress';
import { releaseForeignLock } from './foreign-lock';

/** Imports looked at in one claim: other processes hold or have just ended some of them. */
const CANDIDATES = 20;

/** What an image must be for an import by each method (tasks sheet §5, rows 6 and 7). */
const STATUS_FOR: Readonly<Record<BeginImport['method'], ImageStatus>> = {
  'glance-direct': 'uploading',
  'web-download': 'queued',
  'copy-image': 'active',
  'glance-download': 'queued',
  clone: 'queued',
  export: 'active',
};

/** Imports: their acceptance (I1), and who carries out the next step (tasks sheet §5, §6). */
export class ImportService {
  constructor(private readonly transactions: TransactionRunner<Repositories>) {}

  async begin(
    imageId: string,
    request: BeginImport,
    identity: Identity,
    scope: CallScope,
  ): Promise<TaskRecord> {
    return await this.transactions.write(scope, async (repositories) => {
      const image = await repositories.images.lock(imageId, identity);
      return await acceptImport(repositories, requireChangeable(image, imageId, identity), request);
    });
  }

  async claim(
    request: ClaimImport,
    identity: Identity,
    scope: CallScope,
  ): Promise<ClaimedImport | null> {
    requireService(identity);
    return await this.transactions.write(scope, async (repositories) => {
      const { imports, staging } = repositories;
      const { imageId, node } = request;
      const areaIds = areasOf(request);
      if (imageId === undefined) {
        for (const areaId of areaIds) await staging.touchArea(areaId, node);
      }
      const candidates =
        imageId === undefined ? await imports.findDue(areaIds, CANDIDATES) : [imageId];
      for (const each of candidates) {
        const claimed = await claimImport(repositories, each, request, identity);
        if (claimed) return claimed;
      }
      return null;
    });
  }
}

/** I1, of an image that is locked and that the caller may change. */
export async function acceptImport(
  repositories: Repositories,
  image: LockedImage,
  request: BeginImport,
): Promise<TaskRecord> {
  const { images, imports, staging, tasks, properties, events } = repositories;
  const { id, status } = image.row;
  const { method } = request;
  if (await imports.find(id)) throw hasTask(id);
  const staged = method === 'glance-direct' ? await staging.find(id) : undefined;
  const isStaged = method !== 'glance-direct' || staged !== undefined;
  if (status !== STATUS_FOR[method] || !isStaged) throw notImportable(image, method);
  await releaseForeignLock(repositories, id);
  await checkImportLimits(repositories, image, request);
  await tasks.insert({
    ...request,
    id: request.taskId,
    type: request.taskType ?? 'api_image_import',
    imageId: id,
  });
  const job: Import = {
    imageId: id,
    taskId: request.taskId,
    method,
    sourceUrl: request.sourceUrl ?? null,
    areaId: staged?.areaId ?? request.heldBy?.id ?? null,
    targets: request.storeIds.map((storeId) => ({ storeId, state: 'waiting' })),
    allMustSucceed: request.allStoresMustSucceed,
    storesAreNamed: request.storesAreNamed,
    uploadId: null,
    attempts: 0,
    isLastAttempt: false,
    timeToLiveHours: request.timeToLiveHours,
    certificate: request.certificate ?? null,
    sourceImageId: request.sourceImageId ?? null,
    deletesImage: request.deletesImage ?? false,
  };
  await imports.insert(job);
  if (request.heldBy) await staging.touchArea(request.heldBy.id, request.heldBy.node);
  if (method !== 'export') {
    await endPromise(repositories, id, SUPERSEDED);
  }
  const isActive = STATUS_FOR[method] === 'active';
  if (!isActive && !(await images.transition(id, [status], 'importing'))) {
    throw notImportable(image, method);
  }
  await properties.upsert(id, request.properties ?? []);
  await showProgress(repositories, job, { [IMPORT_PROPERTIES.task]: job.taskId });
  await events.record(id, [{ kind: `${wordFor(job)}.accepted`, taskId: job.taskId }]);
  return requireTask(await tasks.find(request.taskId));
}

async function claimImport(
  repositories: Repositories,
  imageId: string,
  request: ClaimImport,
  identity: Identity,
): Promise<ClaimedImport | null> {
  const { images, imports, leases, tasks, staging, events } = repositories;
  const { uploadId, node, storageQuotaBytes, maxAttempts } = request;
  const image = await images.lock(imageId, identity, { skipLocked: true });
  if (!image || image.row.deleted !== 0) return null;
  const job = await imports.find(imageId);
  if (!job || (job.areaId !== null && !areasOf(request).includes(job.areaId))) return null;
  if (job.uploadId !== null && (await leases.find(imageId, job.uploadId))?.finished === false) {
    return null;
  }
  const target = job.targets.find(({ state }) => state === 'waiting');
  if (!target) throw new Error(`the import of image ${imageId} has no store left to fill`);
  const isFirst = job.targets.every(({ state }) => state !== 'done');
  const attempts = job.attempts + 1;
  const isImporting = image.row.status === 'importing';
  const upload = {
    uploadId,
    node,
    failureStatus: 'queued',
    expectedSizeBytes: null,
    storageQuotaBytes,
  } as const;
  const kind = isImporting ? 'import' : 'image_copy';
  const lease = await claimUpload(repositories, imageId, image.row.owner, upload, kind);
  await imports.beginAttempt(imageId, { uploadId, attempts, isLast: attempts >= maxAttempts });
  await tasks.begin(job.taskId);
  const { taskId } = job;
  // Of the first attempt at the first store.
  const isStart = job.uploadId === null;
  const filling: ImageEvent = { kind: 'import.filling', taskId, storeId: target.storeId };
  await events.record(imageId, [
    ...(isStart ? [{ kind: `${wordFor(job)}.started` as const, taskId }] : []),
    ...(job.method === 'export' ? [] : [filling]),
  ]);
  const source = isFirst ? SOURCES[job.method] : 'image';
  return {
    task: requireTask(await tasks.find(job.taskId)),
    image: present(requireFound(await images.find(imageId)), identity),
    lease,
    storeId: target.storeId,
    source,
    staged: source === 'staged' ? requireStaged(await staging.find(imageId)) : null,
    sourceImageId: source === 'clone' ? job.sourceImageId : null,
    certificate: job.certificate,
    attempt: attempts,
  };
}

const SOURCES: Readonly<Record<Import['method'], ClaimedImport['source']>> = {
  'glance-direct': 'staged',
  'web-download': 'url',
  'copy-image': 'image',
  'glance-download': 'held',
  clone: 'clone',
  export: 'image',
};

/** What the claimer alone may have. */
function areasOf({ stagingAreaId, holderIds = [] }: ClaimImport): string[] {
  return [...(stagingAreaId === null ? [] : [stagingAreaId]), ...holderIds];
}

/** @throws DomainError `quota_exceeded` */
async function checkImportLimits(
  repositories: Repositories,
  { row }: LockedImage,
  { method, limits }: BeginImport,
): Promise<void> {
  // Nothing is counted that no store has.
  if (method === 'export') return;
  const { owner, id } = row;
  const accounts = await Accounts.open(repositories.usage, [owner]);
  checkBytes(accounts.usageOf(owner), 0, null, limits);
  // What was staged has been counted since.
  if (method === 'glance-direct') return;
  await checkStaged(repositories, owner, 0, limits);
  await checkUploading(repositories, owner, id, limits);
}

function requireTask(task: TaskRecord | undefined): TaskRecord {
  if (!task) throw new Error('a task row vanished inside a transaction that holds its image');
  return task;
}

function requireStaged(staged: StagedData | undefined): StagedData {
  if (!staged) throw new Error('the staged data of an import is not recorded');
  return staged;
}

function hasTask(imageId: string): DomainError {
  return new DomainError('conflict', 'Image has active task', { details: { imageId } });
}

function notImportable({ row }: LockedImage, method: string): DomainError {
  const text = `Image status is ${row.status}: it cannot be imported by ${method}`;
  return new DomainError('conflict', text, { details: { imageId: row.id, status: row.status } });
}
