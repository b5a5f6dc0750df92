import { DomainError, type ClaimCopy, type ClaimedCopy, type Identity } from '@glance/common';
import { sqlText } from '../db/sql';
import type { CallScope, TransactionRunner } from '../db/transaction';
import { requireService } from '../http/require-service';
import { present, requireFound } from '../images/image-rights';
import type { Repositories } from '../repositories';
import { LEASE_EVENTS } from '../uploads/lease-events';
import { claimUpload } from '../uploads/claim-upload';
import { isOfImport } from '../uploads/end-lease';
import { STATUS_UNDER_LEASE } from '../uploads/lease-repository';

/** Due copies looked at in one claim: other processes hold or have just ended some of them. */
const CANDIDATES = 20;
const LONGEST_RETRY_SECONDS = 3600;

/** Copies that were promised: who carries them out, and where their data comes from. */
export class CopyService {
  constructor(private readonly transactions: TransactionRunner<Repositories>) {}

  async claim(
    request: ClaimCopy,
    identity: Identity,
    scope: CallScope,
  ): Promise<ClaimedCopy | null> {
    requireService(identity);
    return await this.transactions.write(scope, async (repositories) => {
      const { imageId, withChecks = false } = request;
      const candidates =
        imageId === undefined
          ? await repositories.copies.findDue(CANDIDATES, { withChecks })
          : [imageId];
      for (const each of candidates) {
        const claimed = await claimCopy(repositories, each, request, identity);
        if (claimed) return claimed;
      }
      return null;
    });
  }

  async sourceOf(
    imageId: string,
    uploadId: string,
    identity: Identity,
    scope: CallScope,
  ): Promise<string> {
    // Sources may carry credentials.
    requireService(identity);
    return await this.transactions.read(scope, async ({ leases, copies, imports }) => {
      const lease = await leases.find(imageId, uploadId);
      if (!lease || lease.kind === 'upload' || lease.kind === 'stage') {
        throw new DomainError('not_found', `Image ${imageId} has no copy ${uploadId}`);
      }
      if (lease.state === 'live' && lease.inTime) {
        const source = isOfImport(lease)
          ? (await imports.find(imageId))?.sourceUrl
          : (await copies.find(imageId))?.sourceUrl;
        if (source !== undefined && source !== null) return source;
      }
      throw new DomainError('upload_fenced', 'The copy is no longer the one of this image', {
        details: { imageId, uploadId },
      });
    });
  }
}

async function claimCopy(
  repositories: Repositories,
  imageId: string,
  { uploadId, node, storageQuotaBytes, maxAttempts, retrySeconds, withChecks }: ClaimCopy,
  identity: Identity,
): Promise<ClaimedCopy | null> {
  const { images, copies, tasks, events } = repositories;
  const image = await images.lock(imageId, identity, { skipLocked: true });
  if (image?.row.status !== 'queued' || image.row.deleted !== 0) return null;
  const copy = await copies.find(imageId);
  if (copy?.isDue !== true) return null;
  const { check } = copy;
  if (check && withChecks !== true) return null;
  const kind = check ? 'check' : 'copy';
  const attempt = copy.attempts + 1;
  const isLast = attempt >= maxAttempts;
  const failureStatus = isLast && !check ? 'killed' : 'queued';
  const upload = {
    uploadId,
    node,
    failureStatus,
    expectedSizeBytes: null,
    storageQuotaBytes,
  } as const;
  const lease = await claimUpload(repositories, imageId, image.row.owner, upload, kind);
  const nextAfterSeconds = backOff(retrySeconds, attempt);
  await copies.beginAttempt(imageId, { attempt, isLast, nextAfterSeconds });
  await images.transition(imageId, ['queued'], STATUS_UNDER_LEASE[kind], {
    when: sqlText('images.deleted = 0'),
  });
  const task = await copies.taskOf(imageId);
  if (task) await tasks.begin(task.taskId);
  const record = requireFound(await images.find(imageId));
  await events.record(imageId, [{ kind: LEASE_EVENTS[kind].started }], record);
  return {
    image: present(record, identity),
    lease,
    storeId: copy.storeId,
    attempt,
    ...(check ? { check } : {}),
  };
}

function backOff(retrySeconds: number, attempt: number): number {
  return Math.min(retrySeconds * 2 ** Math.min(attempt - 1, 20), LONGEST_RETRY_SECONDS);
}
