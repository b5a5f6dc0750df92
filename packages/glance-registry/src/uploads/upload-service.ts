import {
  DomainError,
  failPoint,
  imageNotFound,
  type AbandonResult,
  type AbandonUpload,
  type BeginUpload,
  type BeginUploadResult,
  type CommitStaging,
  type CommitUpload,
  type Identity,
  type ImageRecord,
  type UploadHeartbeat,
  type UploadInfo,
  type UploadLease,
} from '@glance/common';
import type { Logger } from '@glance/service-kit';
import { endPromise, SUPERSEDED } from '../copies/end-promise';
import { joinSql, sqlText } from '../db/sql';
import type { CallScope, TransactionRunner } from '../db/transaction';
import { present, requireChangeable, requireFound } from '../images/image-rights';
import type { LockedImage } from '../images/image-repository';
import { checkMayChange, projectOf } from '../images/visibility';
import { commitImportStep } from '../imports/import-steps';
import { Accounts, countedBytes } from '../quota/accounts';
import { checkLeaseQuota } from '../quota/check-limits';
import type { Repositories } from '../repositories';
import { claimUpload } from './claim-upload';
import { endLease, isOfImport } from './end-lease';
import { LEASE_EVENTS } from './lease-events';
import { STATUS_UNDER_LEASE, type Lease } from './lease-repository';

/**
 * The life of an upload: claim, heartbeats, commit or abandon. Locks are taken in one order:
 * image, lease, usage.
 */
export class UploadService {
  constructor(
    private readonly transactions: TransactionRunner<Repositories>,
    private readonly logger: Logger,
  ) {}

  async begin(
    imageId: string,
    upload: BeginUpload,
    identity: Identity,
    scope: CallScope,
  ): Promise<BeginUploadResult> {
    return await this.transactions.write(scope, async (repositories) => {
      const { images, events } = repositories;
      const image = requireChangeable(await images.lock(imageId, identity), imageId, identity);
      const { id, owner, status } = image.row;
      if (status !== 'queued') throw notUploadable(image);
      const kind = upload.stage === true ? 'stage' : 'upload';
      const lease = await claimUpload(repositories, id, owner, upload, kind);
      const wanted = STATUS_UNDER_LEASE[kind];
      if (!(await images.transition(id, ['queued'], wanted, { when: NOT_DELETED }))) {
        throw notUploadable(image);
      }
      await endPromise(repositories, id, SUPERSEDED);
      const record = requireFound(await images.find(id));
      await events.record(id, [{ kind: LEASE_EVENTS[kind].started }], record);
      return { image: present(record, identity), lease };
    });
  }

  async heartbeat(
    imageId: string,
    uploadId: string,
    beat: UploadHeartbeat,
    identity: Identity,
    scope: CallScope,
  ): Promise<UploadLease> {
    return await this.transactions.write(scope, async (repositories) => {
      const { images, leases, usage } = repositories;
      const lease = await leases.lock(imageId, uploadId);
      if (!lease) throw unknownUpload(imageId, uploadId);
      if (!isOwnUpload(lease, identity)) {
        checkMayUse(lease, await images.find(imageId), identity);
      }
      if (lease.state !== 'live' || !lease.inTime) throw fenced(imageId, uploadId);
      const reservedBytes = Math.max(lease.reservedBytes, beat.reserveBytes ?? 0);
      if (reservedBytes > lease.reservedBytes) {
        const accounts = await Accounts.open(usage, [lease.owner]);
        checkLeaseQuota(accounts, lease, reservedBytes, beat.limits);
        await accounts.add(lease.owner, { reservedBytes: reservedBytes - lease.reservedBytes });
      }
      if (!(await leases.prolong(uploadId, beat.bytesReceived, reservedBytes))) {
        throw fenced(imageId, uploadId);
      }
      return leases.termsOf(uploadId);
    });
  }

  async commit(
    imageId: string,
    uploadId: string,
    commit: CommitUpload,
    identity: Identity,
    scope: CallScope,
  ): Promise<ImageRecord> {
    const committed = await this.transactions.write(scope, async (repositories) => {
      const { images, locations, leases, usage, events } = repositories;
      const image = await images.lock(imageId, identity);
      const lease = await leases.lock(imageId, uploadId);
      if (!image || !lease) throw unknownUpload(imageId, uploadId);
      checkMayUse(lease, image.row, identity);
      const { row, storedLocations } = image;
      if (row.deleted !== 0) throw deletedMeanwhile(row.id);
      if (lease.state === 'committed') {
        return present(requireFound(await images.find(row.id)), identity);
      }
      if (lease.state !== 'live' || !lease.inTime) throw fenced(imageId, uploadId);
      const accounts = await Accounts.open(usage, [lease.owner, row.owner]);
      if (isOfImport(lease)) {
        const committed = await commitImportStep(repositories, accounts, image, lease, commit);
        if (!committed) throw fenced(imageId, uploadId);
        await accounts.add(lease.owner, { reservedBytes: -lease.reservedBytes });
        const record = requireFound(await images.find(row.id));
        failPoint('commit-begun');
        return present(record, identity);
      }
      checkLeaseQuota(accounts, lease, commit.sizeBytes, commit.limits);
      if (lease.kind === 'stage') throw fenced(imageId, uploadId);
      // The one statement that decides: this image, still waiting, under this very upload.
      const activated = await images.transition(
        row.id,
        [STATUS_UNDER_LEASE[lease.kind]],
        'active',
        {
          columns: {
            size: commit.sizeBytes,
            virtual_size: commit.virtualSizeBytes,
            checksum: commit.checksum,
            os_hash_algo: commit.hashAlgorithm,
            os_hash_value: commit.hashValue,
          },
          when: joinSql([NOT_DELETED, leases.isLive(uploadId)], ' AND '),
        },
      );
      if (!activated) throw fenced(imageId, uploadId);
      await locations.insert(row.id, commit.location);
      await leases.finish(uploadId, 'committed');
      await endPromise(repositories, row.id, 'success');
      const stored = { status: 'active', size: commit.sizeBytes } as const;
      await accounts.add(row.owner, {
        usedBytes: countedBytes(stored, storedLocations + 1) - countedBytes(row, storedLocations),
      });
      await accounts.add(lease.owner, { reservedBytes: -lease.reservedBytes });
      const record = requireFound(await images.find(row.id));
      const kind = LEASE_EVENTS[lease.kind].stored;
      await events.record(row.id, [{ kind, bytes: commit.sizeBytes }], record);
      failPoint('commit-begun');
      return present(record, identity);
    });
    failPoint('commit-done');
    return committed;
  }

  /** The data is in a staging area; the image waits for its import (api-v2 sheet §8.2). */
  async stage(
    imageId: string,
    uploadId: string,
    staged: CommitStaging,
    identity: Identity,
    scope: CallScope,
  ): Promise<ImageRecord> {
    return await this.transactions.write(scope, async (repositories) => {
      const { images, leases, staging, events } = repositories;
      const image = await images.lock(imageId, identity);
      const lease = await leases.lock(imageId, uploadId);
      if (!image || !lease) throw unknownUpload(imageId, uploadId);
      checkMayUse(lease, image.row, identity);
      if (image.row.deleted !== 0) throw deletedMeanwhile(image.row.id);
      if (lease.state !== 'staged') {
        if (lease.state !== 'live' || !lease.inTime) throw fenced(imageId, uploadId);
        const columns = { size: staged.sizeBytes };
        if (!(await images.update(imageId, columns, ['uploading'])))
          throw fenced(imageId, uploadId);
        await leases.markStaged(uploadId);
        await staging.put(imageId, uploadId, staged);
        await staging.touchArea(staged.areaId, staged.node);
        await events.record(imageId, [
          { kind: LEASE_EVENTS.stage.stored, bytes: staged.sizeBytes },
        ]);
      }
      return present(requireFound(await images.find(imageId)), identity);
    });
  }

  async abandon(
    imageId: string,
    uploadId: string,
    { reason, locationUrl, ...how }: AbandonUpload,
    identity: Identity,
    scope: CallScope,
  ): Promise<AbandonResult> {
    const result = await this.transactions.write(scope, async (repositories) => {
      const { images, leases, locations } = repositories;
      const image = await images.lock(imageId, identity);
      const lease = await leases.lock(imageId, uploadId);
      if (!lease) throw unknownUpload(imageId, uploadId);
      checkMayUse(lease, image?.row, identity);
      const isStaged = lease.state === 'staged';
      if (!lease.finished && !isStaged) {
        await endLease(repositories, image, lease, 'abandoned', how);
      }
      const blobRemovable =
        locationUrl !== null &&
        !isStaged &&
        !(await locations.isInUse(locationUrl)) &&
        !(await leases.hasOtherLive(imageId, uploadId));
      return {
        state: lease.state === 'live' ? ('abandoned' as const) : lease.state,
        imageStatus: (await images.find(imageId))?.status ?? null,
        blobRemovable,
      };
    });
    this.logger.info(`Upload ended without data: ${reason}`, {
      image: imageId,
      upload: uploadId,
      state: result.state,
    });
    return result;
  }

  async get(
    imageId: string,
    uploadId: string,
    identity: Identity,
    scope: CallScope,
  ): Promise<UploadInfo> {
    return await this.transactions.read(scope, async ({ images, leases }) => {
      const lease = await leases.find(imageId, uploadId);
      if (!lease) throw unknownUpload(imageId, uploadId);
      const image = await images.find(imageId);
      checkMayUse(lease, image, identity);
      return {
        uploadId: lease.uploadId,
        imageId: lease.imageId,
        state: lease.state,
        image: image ? present(image, identity) : null,
      };
    });
  }
}

const NOT_DELETED = sqlText('images.deleted = 0');

/** The project the upload counts for goes on with it, also when the image changes hands meanwhile. */
function isOwnUpload(lease: Lease, identity: Identity): boolean {
  if (identity.isAdmin) return true;
  return !identity.readOnly && lease.owner !== null && lease.owner === projectOf(identity);
}

function checkMayUse(
  lease: Lease,
  image: Pick<LockedImage['row'], 'id' | 'owner' | 'visibility'> | undefined,
  identity: Identity,
): void {
  if (isOwnUpload(lease, identity)) return;
  if (!image) throw imageNotFound(lease.imageId);
  checkMayChange(identity, image);
}

function notUploadable({ row }: LockedImage): DomainError {
  return new DomainError(
    'conflict',
    `Image status transition from ${row.status} to saving is not allowed`,
    { details: { imageId: row.id, status: row.status } },
  );
}

function unknownUpload(imageId: string, uploadId: string): DomainError {
  return new DomainError('not_found', `Upload ${uploadId} of image ${imageId} is not known`, {
    details: { imageId, uploadId },
  });
}

function fenced(imageId: string, uploadId: string): DomainError {
  return new DomainError('upload_fenced', 'The upload is no longer the one of this image', {
    details: { imageId, uploadId },
  });
}

function deletedMeanwhile(imageId: string): DomainError {
  return new DomainError('image_deleted', `Image ${imageId} was deleted during its upload`, {
    details: { imageId },
  });
}
