import {
  checkMemberId,
  imageNotFound,
  type AbandonResult,
  type AbandonUpload,
  type AddMember,
  type BeginDeletion,
  type BeginImport,
  type BeginUpload,
  type BeginUploadResult,
  type ClaimCopy,
  type ClaimDeletion,
  type ClaimImport,
  type ClaimSweep,
  type ClaimedCopy,
  type ClaimedImport,
  type CommitStaging,
  type CommitUpload,
  type ContractInfo,
  type CreateImageRequest,
  type CreateImageResult,
  type DeletionPlan,
  type EndRemoval,
  type ImageListQuery,
  type ImageMember,
  type ImageRecord,
  type JudgeBlobs,
  type ListProjects,
  type ListRemovals,
  type LocationRemoval,
  type ProjectUsage,
  type PutMember,
  type RecordHashes,
  type ReplaceMembers,
  type ReportDownloads,
  type SetImageStatus,
  type SetMemberStatus,
  type SharedImage,
  type TaskListQuery,
  type TaskRecord,
  type TimelineEntry,
  type TimelineQuery,
  type UnownedBlob,
  type UpdateImageRequest,
  type UploadHeartbeat,
  type UploadInfo,
  type UploadLease,
} from '@glance/common';
import {
  decodeAbandoned,
  decodeBegun,
  decodeClaimedCopy,
  decodeClaimedDeletion,
  decodeClaimedImport,
  decodeContract,
  decodeCopySource,
  decodeCreated,
  decodeDeletion,
  decodeImage,
  decodeImages,
  decodeLease,
  decodeMember,
  decodeMembers,
  decodeProjects,
  decodeRecorded,
  decodeReleased,
  decodeRemovalEnd,
  decodeRemovals,
  decodeSharedImages,
  decodeDownloadsReport,
  decodeSweepClaim,
  decodeTask,
  decodeTasks,
  decodeTimeline,
  decodeUnownedBlobs,
  decodeUpload,
  decodeUsage,
} from './answer-checks';
import { HttpMetadefs } from './http-metadefs';
import type { MetadefCatalogue } from './metadef-catalogue';
import type { CallContext, Registry } from './registry';
import {
  RegistryTransport,
  type RegistryClientMetrics,
  type RegistryClientOptions,
  type RegistryCredentials,
} from './registry-transport';

/** The registry behind its internal REST API. `close` it to let its connections go. */
export class HttpRegistry implements Registry {
  readonly metadefs: MetadefCatalogue;
  private readonly transport: RegistryTransport;

  /** Opens no connection. @throws DomainError `invalid_request` for an unusable base URL. */
  constructor(options: RegistryClientOptions) {
    this.transport = new RegistryTransport(options);
    this.metadefs = new HttpMetadefs(this.transport);
  }

  close(): void {
    this.transport.close();
  }

  /** For the calls that begin from now on; those that run end as they began. */
  useCredentials(credentials: RegistryCredentials): void {
    this.transport.useCredentials(credentials);
  }

  metrics(): RegistryClientMetrics {
    return this.transport.metrics();
  }

  contract(context: CallContext): Promise<ContractInfo> {
    return this.transport.send(
      {
        operation: 'contract',
        kind: 'read',
        method: 'GET',
        path: '/v1',
        probe: true,
        decode: decodeContract,
      },
      context,
    );
  }

  async listImages(query: ImageListQuery, context: CallContext): Promise<ImageRecord[]> {
    const { images } = await this.transport.send(
      {
        operation: 'listImages',
        kind: 'read',
        method: 'GET',
        path: `/v1/images?query=${encodeURIComponent(JSON.stringify(query))}`,
        decode: decodeImages,
      },
      context,
    );
    return images;
  }

  async getImage(imageId: string, context: CallContext): Promise<ImageRecord> {
    const { image } = await this.transport.send(
      {
        operation: 'getImage',
        kind: 'read',
        method: 'GET',
        path: imagePath(imageId),
        decode: decodeImage(imageId),
      },
      context,
    );
    return image;
  }

  createImage(request: CreateImageRequest, context: CallContext): Promise<CreateImageResult> {
    return this.transport.send(
      {
        operation: 'createImage',
        kind: 'write',
        method: 'POST',
        path: '/v1/images',
        body: request,
        decode: decodeCreated(request),
      },
      context,
    );
  }

  async updateImage(
    imageId: string,
    request: UpdateImageRequest,
    context: CallContext,
  ): Promise<ImageRecord> {
    const { image } = await this.transport.send(
      {
        operation: 'updateImage',
        kind: 'write',
        method: 'PATCH',
        path: imagePath(imageId),
        body: request,
        decode: decodeImage(imageId),
      },
      context,
    );
    return image;
  }

  async setImageStatus(
    imageId: string,
    request: SetImageStatus,
    context: CallContext,
  ): Promise<ImageRecord> {
    const { image } = await this.transport.send(
      {
        operation: 'setImageStatus',
        kind: 'write',
        method: 'PUT',
        path: `${imagePath(imageId)}/status`,
        body: request,
        decode: decodeImage(imageId),
      },
      context,
    );
    return image;
  }

  async recordHashes(
    imageId: string,
    request: RecordHashes,
    context: CallContext,
  ): Promise<boolean> {
    const { recorded } = await this.transport.send(
      {
        operation: 'recordHashes',
        kind: 'write',
        method: 'PUT',
        path: `${imagePath(imageId)}/hashes`,
        body: request,
        decode: decodeRecorded,
      },
      context,
    );
    return recorded;
  }

  async beginUpload(
    imageId: string,
    request: BeginUpload,
    context: CallContext,
  ): Promise<BeginUploadResult> {
    return this.transport.send(
      {
        operation: 'beginUpload',
        kind: 'write',
        method: 'POST',
        path: `${imagePath(imageId)}/uploads`,
        body: request,
        decode: decodeBegun(imageId, request.uploadId),
      },
      context,
    );
  }

  async heartbeat(
    imageId: string,
    uploadId: string,
    beat: UploadHeartbeat,
    context: CallContext,
  ): Promise<UploadLease> {
    return this.transport.send(
      {
        operation: 'heartbeat',
        kind: 'write',
        method: 'PUT',
        path: uploadPath(imageId, uploadId),
        body: beat,
        decode: decodeLease(uploadId),
      },
      context,
    );
  }

  async commitUpload(
    imageId: string,
    uploadId: string,
    request: CommitUpload,
    context: CallContext,
  ): Promise<ImageRecord> {
    const { image } = await this.transport.send(
      {
        operation: 'commitUpload',
        kind: 'settle',
        method: 'POST',
        path: `${uploadPath(imageId, uploadId)}/commit`,
        body: request,
        decode: decodeImage(imageId),
      },
      context,
    );
    return image;
  }

  async commitStaging(
    imageId: string,
    uploadId: string,
    request: CommitStaging,
    context: CallContext,
  ): Promise<ImageRecord> {
    const { image } = await this.transport.send(
      {
        operation: 'commitStaging',
        kind: 'write',
        method: 'POST',
        path: `${uploadPath(imageId, uploadId)}/stage`,
        body: request,
        decode: decodeImage(imageId),
      },
      context,
    );
    return image;
  }

  async abandonUpload(
    imageId: string,
    uploadId: string,
    request: AbandonUpload,
    context: CallContext,
  ): Promise<AbandonResult> {
    return this.transport.send(
      {
        operation: 'abandonUpload',
        kind: 'settle',
        method: 'POST',
        path: `${uploadPath(imageId, uploadId)}/abandon`,
        body: request,
        decode: decodeAbandoned,
      },
      context,
    );
  }

  async getUpload(imageId: string, uploadId: string, context: CallContext): Promise<UploadInfo> {
    return this.transport.send(
      {
        operation: 'getUpload',
        kind: 'read',
        method: 'GET',
        path: uploadPath(imageId, uploadId),
        decode: decodeUpload(imageId, uploadId),
      },
      context,
    );
  }

  async beginImport(
    imageId: string,
    request: BeginImport,
    context: CallContext,
  ): Promise<TaskRecord> {
    const { task } = await this.transport.send(
      {
        operation: 'beginImport',
        kind: 'write',
        method: 'POST',
        path: `${imagePath(imageId)}/import`,
        body: request,
        decode: decodeTask(request.taskId),
      },
      context,
    );
    return task;
  }

  async claimImport(request: ClaimImport, context: CallContext): Promise<ClaimedImport | null> {
    const { claimed } = await this.transport.send(
      {
        operation: 'claimImport',
        kind: 'write',
        method: 'POST',
        path: '/v1/imports/claim',
        body: request,
        decode: decodeClaimedImport(request),
      },
      context,
    );
    return claimed;
  }

  async listTasks(query: TaskListQuery, context: CallContext): Promise<TaskRecord[]> {
    const { tasks } = await this.transport.send(
      {
        operation: 'listTasks',
        kind: 'read',
        method: 'GET',
        path: `/v1/tasks?query=${encodeURIComponent(JSON.stringify(query))}`,
        decode: decodeTasks,
      },
      context,
    );
    return tasks;
  }

  async listImageTasks(imageId: string, context: CallContext): Promise<TaskRecord[]> {
    const { tasks } = await this.transport.send(
      {
        operation: 'listImageTasks',
        kind: 'read',
        method: 'GET',
        path: `${imagePath(imageId)}/tasks`,
        decode: decodeTasks,
      },
      context,
    );
    return tasks;
  }

  async getTask(taskId: string, context: CallContext): Promise<TaskRecord> {
    const { task } = await this.transport.send(
      {
        operation: 'getTask',
        kind: 'read',
        method: 'GET',
        path: `/v1/tasks/${encodeURIComponent(taskId)}`,
        decode: decodeTask(taskId),
      },
      context,
    );
    return task;
  }

  async listTimeline(
    imageId: string,
    query: TimelineQuery,
    context: CallContext,
  ): Promise<TimelineEntry[]> {
    const { entries } = await this.transport.send(
      {
        operation: 'listTimeline',
        kind: 'read',
        method: 'GET',
        path: `${imagePath(imageId)}/timeline?query=${encodeURIComponent(JSON.stringify(query))}`,
        decode: decodeTimeline,
      },
      context,
    );
    return entries;
  }

  async claimCopy(request: ClaimCopy, context: CallContext): Promise<ClaimedCopy | null> {
    const { copy } = await this.transport.send(
      {
        operation: 'claimCopy',
        kind: 'write',
        method: 'POST',
        path: '/v1/copies/claim',
        body: request,
        decode: decodeClaimedCopy(request),
      },
      context,
    );
    return copy;
  }

  async getCopySource(imageId: string, uploadId: string, context: CallContext): Promise<string> {
    const { sourceUrl } = await this.transport.send(
      {
        operation: 'getCopySource',
        kind: 'read',
        method: 'GET',
        path: `${uploadPath(imageId, uploadId)}/copy-source`,
        decode: decodeCopySource,
      },
      context,
    );
    return sourceUrl;
  }

  async beginDeletion(
    imageId: string,
    request: BeginDeletion,
    context: CallContext,
  ): Promise<DeletionPlan> {
    return this.transport.send(
      {
        operation: 'beginDeletion',
        kind: 'write',
        method: 'POST',
        path: `${imagePath(imageId)}/deletion`,
        body: request,
        decode: decodeDeletion(imageId),
      },
      context,
    );
  }

  finishDeletion(imageId: string, context: CallContext): Promise<ImageRecord> {
    return this.endDeletion('finish', imageId, context);
  }

  revertDeletion(imageId: string, context: CallContext): Promise<ImageRecord> {
    return this.endDeletion('revert', imageId, context);
  }

  async claimDeletion(request: ClaimDeletion, context: CallContext): Promise<DeletionPlan | null> {
    const { deletion } = await this.transport.send(
      {
        operation: 'claimDeletion',
        kind: 'write',
        method: 'POST',
        path: '/v1/deletions/claim',
        body: request,
        decode: decodeClaimedDeletion,
      },
      context,
    );
    return deletion;
  }

  async releaseDeletion(imageId: string, context: CallContext): Promise<boolean> {
    const { released } = await this.transport.send(
      {
        operation: 'releaseDeletion',
        kind: 'write',
        method: 'POST',
        path: `${imagePath(imageId)}/deletion/release`,
        decode: decodeReleased,
      },
      context,
    );
    return released;
  }

  async restoreImage(imageId: string, context: CallContext): Promise<ImageRecord> {
    const { image } = await this.transport.send(
      {
        operation: 'restoreImage',
        kind: 'write',
        method: 'POST',
        path: `${imagePath(imageId)}/deletion/restore`,
        decode: decodeImage(imageId),
      },
      context,
    );
    return image;
  }

  async listRemovals(query: ListRemovals, context: CallContext): Promise<LocationRemoval[]> {
    const { removals } = await this.transport.send(
      {
        operation: 'listRemovals',
        kind: 'read',
        method: 'GET',
        path: `/v1/removals?query=${encodeURIComponent(JSON.stringify(query))}`,
        decode: decodeRemovals,
      },
      context,
    );
    return removals;
  }

  async endRemoval(
    imageId: string,
    locationId: number,
    request: EndRemoval,
    context: CallContext,
  ): Promise<boolean> {
    const { ended } = await this.transport.send(
      {
        operation: 'endRemoval',
        kind: 'write',
        method: 'POST',
        path: `${imagePath(imageId)}/locations/${locationId}/removal`,
        body: request,
        decode: decodeRemovalEnd,
      },
      context,
    );
    return ended;
  }

  async listMembers(imageId: string, context: CallContext): Promise<ImageMember[]> {
    const { members } = await this.transport.send(
      {
        operation: 'listMembers',
        kind: 'read',
        method: 'GET',
        path: membersPath(imageId),
        decode: decodeMembers,
      },
      context,
    );
    return members;
  }

  async replaceMembers(
    imageId: string,
    request: ReplaceMembers,
    context: CallContext,
  ): Promise<ImageMember[]> {
    const { members } = await this.transport.send(
      {
        operation: 'replaceMembers',
        kind: 'write',
        method: 'PUT',
        path: membersPath(imageId),
        body: request,
        decode: decodeMembers,
      },
      context,
    );
    return members;
  }

  async putMember(
    imageId: string,
    memberId: string,
    request: PutMember,
    context: CallContext,
  ): Promise<ImageMember> {
    const { member } = await this.transport.send(
      {
        operation: 'putMember',
        kind: 'write',
        method: 'PUT',
        path: memberPath(imageId, memberId),
        body: request,
        decode: decodeMember(memberId),
      },
      context,
    );
    return member;
  }

  async deleteMember(
    imageId: string,
    memberId: string,
    context: CallContext,
  ): Promise<ImageMember> {
    const { member } = await this.transport.send(
      {
        operation: 'deleteMember',
        kind: 'write',
        method: 'DELETE',
        path: memberPath(imageId, memberId),
        decode: decodeMember(memberId),
      },
      context,
    );
    return member;
  }

  async addMember(imageId: string, request: AddMember, context: CallContext): Promise<ImageMember> {
    const { member } = await this.transport.send(
      {
        operation: 'addMember',
        kind: 'write',
        method: 'POST',
        path: membersPath(imageId),
        body: request,
        decode: decodeMember(request.memberId),
      },
      context,
    );
    return member;
  }

  async getMember(imageId: string, memberId: string, context: CallContext): Promise<ImageMember> {
    const { member } = await this.transport.send(
      {
        operation: 'getMember',
        kind: 'read',
        method: 'GET',
        path: memberPath(imageId, memberId),
        decode: decodeMember(memberId),
      },
      context,
    );
    return member;
  }

  async setMemberStatus(
    imageId: string,
    memberId: string,
    request: SetMemberStatus,
    context: CallContext,
  ): Promise<ImageMember> {
    const { member } = await this.transport.send(
      {
        operation: 'setMemberStatus',
        kind: 'write',
        method: 'PUT',
        path: `${memberPath(imageId, memberId)}/status`,
        body: request,
        decode: decodeMember(memberId),
      },
      context,
    );
    return member;
  }

  async removeMember(
    imageId: string,
    memberId: string,
    context: CallContext,
  ): Promise<ImageMember> {
    const { member } = await this.transport.send(
      {
        operation: 'removeMember',
        kind: 'write',
        method: 'POST',
        path: `${memberPath(imageId, memberId)}/removal`,
        decode: decodeMember(memberId),
      },
      context,
    );
    return member;
  }

  async listSharedImages(memberId: string, context: CallContext): Promise<SharedImage[]> {
    checkMemberId(memberId);
    const { sharedImages } = await this.transport.send(
      {
        operation: 'listSharedImages',
        kind: 'read',
        method: 'GET',
        path: `/v1/shared-images/${encodeURIComponent(memberId)}`,
        decode: decodeSharedImages,
      },
      context,
    );
    return sharedImages;
  }

  async judgeBlobs(request: JudgeBlobs, context: CallContext): Promise<UnownedBlob[]> {
    const { unowned } = await this.transport.send(
      {
        operation: 'judgeBlobs',
        kind: 'write',
        method: 'POST',
        path: '/v1/blobs/judge',
        body: request,
        decode: decodeUnownedBlobs(request),
      },
      context,
    );
    return unowned;
  }

  async listProjects(query: ListProjects, context: CallContext): Promise<string[]> {
    const { projects } = await this.transport.send(
      {
        operation: 'listProjects',
        kind: 'read',
        method: 'GET',
        path: `/v1/blobs/projects?query=${encodeURIComponent(JSON.stringify(query))}`,
        decode: decodeProjects,
      },
      context,
    );
    return projects;
  }

  async reportDownloads(request: ReportDownloads, context: CallContext): Promise<boolean> {
    const { wanted } = await this.transport.send(
      {
        operation: 'reportDownloads',
        kind: 'write',
        method: 'POST',
        path: '/v1/downloads',
        body: request,
        decode: decodeDownloadsReport,
      },
      context,
    );
    return wanted;
  }

  async claimSweep(request: ClaimSweep, context: CallContext): Promise<boolean> {
    const { claimed } = await this.transport.send(
      {
        operation: 'claimSweep',
        kind: 'write',
        method: 'POST',
        path: '/v1/sweeps/claim',
        body: request,
        decode: decodeSweepClaim,
      },
      context,
    );
    return claimed;
  }

  async getUsage(context: CallContext): Promise<ProjectUsage> {
    const { usage } = await this.transport.send(
      {
        operation: 'getUsage',
        kind: 'read',
        method: 'GET',
        path: '/v1/quota-usage',
        decode: decodeUsage,
      },
      context,
    );
    return usage;
  }

  private async endDeletion(
    end: 'finish' | 'revert',
    imageId: string,
    context: CallContext,
  ): Promise<ImageRecord> {
    const { image } = await this.transport.send(
      {
        operation: `${end}Deletion`,
        kind: 'write',
        method: 'POST',
        path: `${imagePath(imageId)}/deletion/${end}`,
        decode: decodeImage(imageId),
      },
      context,
    );
    return image;
  }
}

/**
 * Ids longer than the column are not found without a query (schema sheet 5.1). Neither are those
 * that would not survive as a path segment.
 */
function imagePath(imageId: string): string {
  if (!/^[\x21-\x7e]{1,36}$/.test(imageId) || imageId === '.' || imageId === '..') {
    throw imageNotFound(imageId);
  }
  return `/v1/images/${encodeURIComponent(imageId)}`;
}

function uploadPath(imageId: string, uploadId: string): string {
  return `${imagePath(imageId)}/uploads/${encodeURIComponent(uploadId)}`;
}

function membersPath(imageId: string): string {
  return `${imagePath(imageId)}/members`;
}

function memberPath(imageId: string, memberId: string): string {
  checkMemberId(memberId);
  return `${membersPath(imageId)}/${encodeURIComponent(memberId)}`;
}
