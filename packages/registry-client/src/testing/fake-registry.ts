import { randomUUID } from 'node:crypto';
import {
  abandonUploadSchema,
  addMemberSchema,
  beginDeletionSchema,
  beginImportSchema,
  beginUploadSchema,
  checkAgainst,
  checkMemberId,
  claimCopySchema,
  claimDeletionSchema,
  claimImportSchema,
  claimSweepSchema,
  commitStagingSchema,
  commitUploadSchema,
  CONTRACT_VERSION,
  createImageSchema,
  DomainError,
  endRemovalSchema,
  imageListQuerySchema,
  imageNotFound,
  invalidRequest,
  judgeBlobsSchema,
  reportDownloadsSchema,
  listProjectsSchema,
  listRemovalsSchema,
  putMemberSchema,
  recordHashesSchema,
  replaceMembersSchema,
  setImageStatusSchema,
  setMemberStatusSchema,
  toWireTime,
  taskListQuerySchema,
  timelineQuerySchema,
  updateImageSchema,
  uploadHeartbeatSchema,
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
  type ExternalData,
  type Identity,
  type ImageListQuery,
  type ImageMember,
  type ImageRecord,
  type ImageStatus,
  type JudgeBlobs,
  type ListProjects,
  type ListRemovals,
  type LocationRemoval,
  type MemberStatus,
  type ProjectLimits,
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
import type { CallContext, Registry } from '../registry';
import {
  checkMayChange,
  conflict,
  isVisibleTo,
  readOnly,
  transition,
  wasVisibleTo,
  type FakeImage,
} from './fake-image';
import { listFakeTasks, visibleTasks } from './fake-tasks';
import { listFakeImages } from './fake-image-list';
import {
  allowedFields,
  changedProperties,
  changedTags,
  newRecord,
  present,
} from './fake-image-record';
import {
  checkMayShareAtAll,
  deleteFakeMember,
  listFakeMembers,
  listFakeSharedImages,
  putFakeMember,
  replaceFakeMembers,
} from './fake-members';
import {
  addFakeMember,
  getFakeMember,
  removeFakeMember,
  setFakeMemberStatus,
} from './fake-shared-image';
import {
  addedBytes,
  changeFakeLocations,
  checkLocationChange,
  endFakeRemoval,
  listFakeRemovals,
} from './fake-locations';
import {
  checkFakeImageCount,
  checkFakeStaged,
  checkFakeUploading,
  fakeUsageOf,
} from './fake-limits';
import {
  beginFakeDeletion,
  checkDeletable,
  claimFakeDeletion,
  finishFakeDeletion,
  releaseFakeDeletion,
  takeBackFakeDeletion,
} from './fake-deletions';
import { FakeBlobs } from './fake-blobs';
import { FakeMetadefs } from './fake-metadefs';
import { FakeTimeline, type FakeActor } from './fake-timeline';
import {
  DELETED,
  SUPERSEDED,
  FakeImports,
  fakeCanReach,
  fakeSourceOf,
  putProperties,
  waitingTarget,
} from './fake-imports';
import { beginAttempt, dueCopies } from './fake-copies';
import { checkQuota, fenced, LEASE_SECONDS, leaseOf, type FakeUpload } from './fake-uploads';

/**
 * A registry in memory, held to the same contract suite as the real one. Each call takes effect at
 * once and whole. Records that go in and out are copies.
 */
export class FakeRegistry implements Registry {
  readonly metadefs = new FakeMetadefs(() => this.now());
  private readonly images = new Map<string, FakeImage>();
  private readonly uploads = new Map<string, FakeUpload>();
  private readonly blobs = new FakeBlobs();
  private readonly timeline = new FakeTimeline(() => this.now());
  private readonly imports = new FakeImports(() => this.now(), this.timeline);
  private readonly sweeps = new Map<string, number>();
  private nextLocationId = 1;
  private clockOffsetMs = 0;

  /** @param clock Milliseconds since 1970; leases and times go by it. */
  constructor(private readonly clock: () => number = () => Date.now()) {}

  /** Shares an image: a row of `image_members`. */
  share(
    imageId: string,
    projectId: string,
    status: MemberStatus = 'pending',
    canShare = false,
  ): void {
    const now = this.now();
    const row = { canShare, status, createdAt: now, updatedAt: now };
    this.existing(imageId).members.set(projectId, row);
  }

  /** Sets the clock forward. */
  advance(seconds: number): void {
    this.clockOffsetMs += seconds * 1_000;
  }

  /** Lets every running upload run out of its lease. */
  expireLeases(): void {
    this.advance(LEASE_SECONDS + 1);
  }

  /** Changes a stored image past all rules, e.g. to `deactivated` or to a time long ago. */
  overwrite(imageId: string, columns: Partial<Omit<ImageRecord, 'id'>>): void {
    Object.assign(this.existing(imageId).record, structuredClone(columns));
  }

  async contract(context: CallContext): Promise<ContractInfo> {
    await this.enter(context);
    return { contract: { ...CONTRACT_VERSION }, release: 'fake' };
  }

  async listImages(query: ImageListQuery, context: CallContext): Promise<ImageRecord[]> {
    await this.enter(context);
    const checked = checkAgainst(imageListQuerySchema, query);
    return listFakeImages(this.images.values(), checked, context.identity).map((record) =>
      present(record, context.identity),
    );
  }

  async getImage(imageId: string, context: CallContext): Promise<ImageRecord> {
    await this.enter(context);
    return present(this.visible(imageId, context.identity).record, context.identity);
  }

  async createImage(request: CreateImageRequest, context: CallContext): Promise<CreateImageResult> {
    await this.enter(context);
    const {
      image: wanted,
      upload: begin,
      import: wantedImport,
      limits,
      ...data
    } = checkAgainst(createImageSchema, request);
    if (context.identity.readOnly) throw readOnly();
    if (begin !== undefined && !context.identity.isAdmin && !context.identity.projectId) {
      throw new DomainError('forbidden', 'Only a member of a project may upload an image.');
    }
    if (wanted.status === 'active' && (wanted.sizeBytes !== 0 || begin !== undefined)) {
      throw invalidRequest('Only an image of no bytes may be active from the start.');
    }
    const id = wanted.id ?? randomUUID();
    if (this.images.has(id)) {
      throw new DomainError('image_exists', `Image ID ${id} already exists!`, {
        details: { imageId: id },
      });
    }
    const image: FakeImage = {
      record: newRecord(id, structuredClone(wanted), this.now(), context.identity),
      members: new Map(),
      uploadId: null,
      copy: null,
      import: null,
      staged: null,
      removals: [],
      beforeDeletion: null,
      deletion: null,
    };
    checkFakeImageCount(image.record.owner, limits, this.images.values());
    this.checkExternalData(data, image.record, limits);
    const lease = begin === undefined ? null : this.claim(image, begin);
    this.attach(image, data);
    this.images.set(id, image);
    this.timeline.add(id, 'image.created', context);
    if (lease) this.timeline.add(id, 'upload.started', context);
    if (wantedImport) this.imports.begin(image, wantedImport, context);
    this.tellOfData(image, data, context);
    return { image: present(image.record, context.identity), lease };
  }

  async updateImage(
    imageId: string,
    request: UpdateImageRequest,
    context: CallContext,
  ): Promise<ImageRecord> {
    await this.enter(context);
    const changes = structuredClone(checkAgainst(updateImageSchema, request));
    const image = this.changeable(imageId, context.identity);
    const { record } = image;
    if (changes.ifStatus !== undefined && !changes.ifStatus.includes(record.status)) {
      throw conflict(imageId);
    }
    const data = changes.location ?? changes.copyFrom ?? changes.register;
    if (data && record.status !== 'queued') throw conflict(imageId);
    if (changes.unlessPromised === true && image.copy) throw conflict(imageId);
    const owner = allowedFields(changes.fields ?? {}, context.identity).owner ?? record.owner;
    const properties =
      changes.properties && changedProperties(record, changes.properties, changes.propertyQuota);
    const tags = changedTags(record, changes);
    this.checkExternalData(changes, { id: record.id, owner }, changes.limits);
    const { locations } = changes;
    if (locations) {
      checkLocationChange(image, locations);
      const quotaBytes = locations.storageQuotaBytes;
      const bytes = addedBytes(image, locations);
      if (bytes > 0) {
        checkQuota(
          { owner, quotaBytes, limits: changes.limits },
          bytes,
          this.images.values(),
          this.uploads.values(),
        );
      }
    }
    Object.assign(record, allowedFields(changes.fields ?? {}, context.identity));
    record.properties = properties ?? record.properties;
    record.tags = tags;
    record.updatedAt = this.now();
    this.attach(image, changes);
    if (locations) {
      const others = this.images.values();
      if (record.status === 'queued') this.imports.endPromise(image, { failure: SUPERSEDED });
      changeFakeLocations(image, locations, others, () => this.nextLocationId++, this.now());
    }
    this.timeline.add(imageId, 'image.updated', context);
    this.tellOfData(image, changes, context);
    return present(record, context.identity);
  }

  async setImageStatus(
    imageId: string,
    request: SetImageStatus,
    context: CallContext,
  ): Promise<ImageRecord> {
    await this.enter(context);
    const { status } = checkAgainst(setImageStatusSchema, request);
    const image = this.changeable(imageId, context.identity);
    const { record } = image;
    if (record.status !== status) {
      if (record.status !== 'active' && record.status !== 'deactivated') {
        throw new DomainError('conflict', `Image status is ${record.status}.`, {
          details: { imageId, status: record.status },
        });
      }
      transition(image, status);
      record.updatedAt = this.now();
      const kind = status === 'active' ? 'image.reactivated' : 'image.deactivated';
      this.timeline.add(imageId, kind, context);
    }
    return present(record, context.identity);
  }

  async recordHashes(
    imageId: string,
    request: RecordHashes,
    context: CallContext,
  ): Promise<boolean> {
    await this.enter(context);
    const { locationUrl, sizeBytes, checksum, hash } = checkAgainst(recordHashesSchema, request);
    checkIsService(context.identity);
    const record = this.images.get(imageId)?.record;
    if (record?.status !== 'active' || record.sizeBytes !== sizeBytes) return false;
    if (!record.locations.some(({ url }) => url === locationUrl)) return false;
    if (record.checksum !== null || record.hashValue !== null) return false;
    const { algorithm: hashAlgorithm, value: hashValue } = hash;
    Object.assign(record, { checksum, hashAlgorithm, hashValue, updatedAt: this.now() });
    this.timeline.add(imageId, 'image.updated', context);
    return true;
  }

  async beginUpload(
    imageId: string,
    request: BeginUpload,
    context: CallContext,
  ): Promise<BeginUploadResult> {
    await this.enter(context);
    const begin = checkAgainst(beginUploadSchema, request);
    const image = this.changeable(imageId, context.identity);
    const lease = this.claim(image, begin, begin.stage === true ? 'stage' : 'upload');
    this.imports.endPromise(image, { failure: SUPERSEDED });
    this.timeline.add(
      imageId,
      begin.stage === true ? 'staging.started' : 'upload.started',
      context,
    );
    return { image: present(image.record, context.identity), lease };
  }

  async heartbeat(
    imageId: string,
    uploadId: string,
    beat: UploadHeartbeat,
    context: CallContext,
  ): Promise<UploadLease> {
    await this.enter(context);
    const { reserveBytes, limits, bytesReceived } = checkAgainst(uploadHeartbeatSchema, beat);
    const { upload } = this.uploadOf(imageId, uploadId, context.identity);
    if (upload.state !== 'live') throw fenced(upload);
    upload.expiresAtMs = this.nowMs() + LEASE_SECONDS * 1_000;
    if (reserveBytes !== undefined && reserveBytes > upload.reservedBytes) {
      this.checkQuota({ ...upload, limits }, reserveBytes);
      upload.reservedBytes = reserveBytes;
    }
    upload.bytesReceived = bytesReceived;
    return leaseOf(upload);
  }

  async commitUpload(
    imageId: string,
    uploadId: string,
    request: CommitUpload,
    context: CallContext,
  ): Promise<ImageRecord> {
    await this.enter(context);
    const {
      location,
      limits,
      learned = {},
      ...result
    } = structuredClone(checkAgainst(commitUploadSchema, request));
    const { image, upload } = this.uploadOf(imageId, uploadId, context.identity);
    const { record } = image;
    if (record.deleted) {
      throw new DomainError('image_deleted', `Image ${imageId} was deleted during its upload.`, {
        details: { imageId },
      });
    }
    if (upload.state === 'committed') return present(record, context.identity);
    if (upload.state !== 'live' || image.uploadId !== uploadId) throw fenced(upload);
    if (upload.kind === 'stage') throw fenced(upload);
    if (image.import?.request.method === 'export') {
      this.imports.commitExport(image, { location, ...result }, context);
      upload.state = 'committed';
      return present(record, context.identity);
    }
    this.checkQuota({ ...upload, limits }, result.sizeBytes);
    const id = this.nextLocationId++;
    const isOfImport = upload.kind === 'import' || upload.kind === 'image_copy';
    const isFurther =
      upload.kind === 'image_copy' || (upload.kind === 'import' && record.locations.length > 0);
    if (isFurther && record.checksum !== result.checksum) {
      throw new DomainError('data_mismatch', 'The copied data is not the data of the image');
    }
    const bytes = result.sizeBytes;
    if (!isOfImport) this.timeline.add(imageId, `${upload.kind}.stored`, context, { bytes });
    if (!isOfImport || this.imports.commitStep(image, id, bytes, context)) {
      transition(image, 'active');
    }
    if (!isFurther) {
      const { properties = [], ...formats } = learned;
      if (image.import) image.import.before = structuredClone(record);
      Object.assign(record, result, formats);
      putProperties(record, properties);
    }
    record.locations.push({ id, ...location, status: 'active' });
    record.updatedAt = this.now();
    upload.state = 'committed';
    this.imports.endPromise(image, {});
    upload.reservedBytes = 0;
    return present(record, context.identity);
  }

  async abandonUpload(
    imageId: string,
    uploadId: string,
    request: AbandonUpload,
    context: CallContext,
  ): Promise<AbandonResult> {
    await this.enter(context);
    const { locationUrl, ...how } = checkAgainst(abandonUploadSchema, request);
    const { image, upload } = this.uploadOf(imageId, uploadId, context.identity);
    this.end(upload, 'abandoned', how, context);
    return {
      state: upload.state,
      imageStatus: image.record.status,
      blobRemovable:
        upload.state !== 'staged' && locationUrl !== null && this.isRemovable(locationUrl, upload),
    };
  }

  async getUpload(imageId: string, uploadId: string, context: CallContext): Promise<UploadInfo> {
    await this.enter(context);
    const { image, upload } = this.uploadOf(imageId, uploadId, context.identity);
    return {
      uploadId,
      imageId,
      state: upload.state,
      image: present(image.record, context.identity),
    };
  }

  async commitStaging(
    imageId: string,
    uploadId: string,
    request: CommitStaging,
    context: CallContext,
  ): Promise<ImageRecord> {
    await this.enter(context);
    const {
      node: _node,
      hashAlgorithm,
      hashValue,
      ...staged
    } = checkAgainst(commitStagingSchema, request);
    const { image, upload } = this.uploadOf(imageId, uploadId, context.identity);
    const { record } = image;
    if (record.deleted) {
      throw new DomainError('image_deleted', `Image ${imageId} was deleted during its upload.`, {
        details: { imageId },
      });
    }
    if (upload.state !== 'staged') {
      if (upload.state !== 'live' || upload.kind !== 'stage') throw fenced(upload);
      upload.state = 'staged';
      record.sizeBytes = staged.sizeBytes;
      record.updatedAt = this.now();
      this.timeline.add(imageId, 'staging.stored', context, { bytes: staged.sizeBytes });
      image.staged = { ...staged, uploadId, hash: { algorithm: hashAlgorithm, value: hashValue } };
    }
    return present(record, context.identity);
  }

  async beginImport(
    imageId: string,
    request: BeginImport,
    context: CallContext,
  ): Promise<TaskRecord> {
    await this.enter(context);
    const checked = structuredClone(checkAgainst(beginImportSchema, request));
    const image = this.changeable(imageId, context.identity);
    const { owner } = image.record;
    const { limits, method } = checked;
    this.checkQuota({ uploadId: '', owner, quotaBytes: null, limits }, 0);
    if (method !== 'glance-direct') {
      checkFakeStaged(owner, 0, limits, this.images.values());
      checkFakeUploading(owner, limits, this.allBut(imageId));
    }
    const task = this.imports.begin(image, checked, context);
    image.record.updatedAt = this.now();
    return task;
  }

  async claimImport(request: ClaimImport, context: CallContext): Promise<ClaimedImport | null> {
    await this.enter(context);
    const claim = checkAgainst(claimImportSchema, request);
    checkIsService(context.identity);
    for (const image of this.images.values()) {
      const job = image.import;
      const isWanted = claim.imageId === undefined || claim.imageId === image.record.id;
      if (!job || !isWanted || !fakeCanReach(job, claim)) continue;
      if (job.uploadId !== null && this.uploads.get(job.uploadId)?.state === 'live') continue;
      job.attempts += 1;
      job.isLastAttempt = job.attempts >= claim.maxAttempts;
      this.imports.tellOfClaim(image, job, context);
      job.uploadId = claim.uploadId;
      const source = fakeSourceOf(job);
      const begin = { ...claim, failureStatus: 'queued', expectedSizeBytes: null } as const;
      const kind = image.record.status === 'importing' ? 'import' : 'image_copy';
      const lease = this.claim(image, begin, kind);
      const task = this.imports.tasks.get(job.request.taskId);
      if (!task) throw new Error('an import has no task');
      task.status = 'processing';
      return structuredClone({
        task,
        image: present(image.record, context.identity),
        lease,
        storeId: waitingTarget(job),
        source,
        staged: source === 'staged' ? image.staged : null,
        sourceImageId: source === 'clone' ? (job.request.sourceImageId ?? null) : null,
        certificate: job.request.certificate ?? null,
        attempt: job.attempts,
      });
    }
    return null;
  }

  async listTasks(query: TaskListQuery, context: CallContext): Promise<TaskRecord[]> {
    await this.enter(context);
    const checked = checkAgainst(taskListQuerySchema, query);
    return listFakeTasks(this.imports.tasks.values(), checked, context.identity);
  }

  async listImageTasks(imageId: string, context: CallContext): Promise<TaskRecord[]> {
    await this.enter(context);
    return visibleTasks(this.imports.tasks.values(), context.identity).filter(
      (task) => task.imageId === imageId,
    );
  }

  async getTask(taskId: string, context: CallContext): Promise<TaskRecord> {
    await this.enter(context);
    const [task] = visibleTasks(this.imports.tasks.values(), context.identity).filter(
      ({ id }) => id === taskId,
    );
    if (!task) throw new DomainError('not_found', `No task found with ID ${taskId}`);
    return task;
  }

  async claimCopy(request: ClaimCopy, context: CallContext): Promise<ClaimedCopy | null> {
    await this.enter(context);
    const claim = checkAgainst(claimCopySchema, request);
    checkIsService(context.identity);
    const [due] = dueCopies(this.images.values(), this.nowMs(), claim);
    if (!due) return null;
    const { image, copy } = due;
    const { check } = copy;
    const kills = check === undefined && copy.attempts + 1 >= claim.maxAttempts;
    const lease = this.claim(
      image,
      { ...claim, failureStatus: kills ? 'killed' : 'queued', expectedSizeBytes: null },
      check ? 'check' : 'copy',
    );
    beginAttempt(copy, claim, this.nowMs());
    const task = copy.taskId === undefined ? undefined : this.imports.tasks.get(copy.taskId);
    if (task) task.status = 'processing';
    this.timeline.add(image.record.id, check ? 'check.started' : 'copy.started', context);
    return {
      image: present(image.record, context.identity),
      lease,
      storeId: copy.request.storeId,
      attempt: copy.attempts,
      ...(check ? { check: { ...check } } : {}),
    };
  }

  async getCopySource(imageId: string, uploadId: string, context: CallContext): Promise<string> {
    await this.enter(context);
    checkIsService(context.identity);
    const { image, upload } = this.uploadOf(imageId, uploadId, context.identity);
    if (upload.kind === 'upload' || upload.kind === 'stage') {
      throw new DomainError('not_found', `Image ${imageId} has no copy ${uploadId}.`);
    }
    const url = image.import?.request.sourceUrl ?? image.copy?.request.sourceUrl;
    if (upload.state !== 'live' || url === undefined) throw fenced(upload);
    return url;
  }

  async listRemovals(query: ListRemovals, context: CallContext): Promise<LocationRemoval[]> {
    await this.enter(context);
    const checked = checkAgainst(listRemovalsSchema, query);
    checkIsService(context.identity);
    return structuredClone(listFakeRemovals(this.images.values(), checked));
  }

  async endRemoval(
    imageId: string,
    locationId: number,
    request: EndRemoval,
    context: CallContext,
  ): Promise<boolean> {
    await this.enter(context);
    const { outcome } = checkAgainst(endRemovalSchema, request);
    checkIsService(context.identity);
    const ended = endFakeRemoval(this.images.get(imageId), locationId, outcome);
    if (ended && outcome === 'refused') {
      const reason = 'A store refused to remove the data of a location';
      this.timeline.add(imageId, 'image.updated', context, { reason });
    }
    return ended;
  }

  async beginDeletion(
    imageId: string,
    request: BeginDeletion,
    context: CallContext,
  ): Promise<DeletionPlan> {
    await this.enter(context);
    const checked = checkAgainst(beginDeletionSchema, request);
    const image = this.visible(imageId, context.identity);
    checkMayChange(context.identity, image);
    checkDeletable(image);
    for (const upload of this.uploads.values()) {
      if (upload.imageId !== imageId) continue;
      if (upload.state === 'live') upload.state = 'void';
      if (upload.state === 'staged') upload.state = 'abandoned';
    }
    this.imports.endPromise(image, { failure: DELETED });
    this.imports.cancel(image, context);
    const plan = beginFakeDeletion(image, checked, this.now());
    this.timeline.add(imageId, 'image.deleted', context);
    return { ...plan, image: present(plan.image, context.identity) };
  }

  async finishDeletion(imageId: string, context: CallContext): Promise<ImageRecord> {
    await this.enter(context);
    const image = this.deletable(imageId, context.identity);
    if (image.record.status !== 'deleted') this.timeline.add(imageId, 'image.erased', context);
    finishFakeDeletion(image, this.now());
    return present(image.record, context.identity);
  }

  async revertDeletion(imageId: string, context: CallContext): Promise<ImageRecord> {
    await this.enter(context);
    const image = this.deletable(imageId, context.identity);
    takeBackFakeDeletion(image, 1, this.now());
    this.timeline.add(imageId, 'image.restored', context);
    return present(image.record, context.identity);
  }

  async claimDeletion(request: ClaimDeletion, context: CallContext): Promise<DeletionPlan | null> {
    await this.enter(context);
    const checked = checkAgainst(claimDeletionSchema, request);
    checkIsService(context.identity);
    return structuredClone(claimFakeDeletion(this.images.values(), checked, this.nowMs()));
  }

  async releaseDeletion(imageId: string, context: CallContext): Promise<boolean> {
    await this.enter(context);
    checkIsService(context.identity);
    return releaseFakeDeletion(this.existing(imageId));
  }

  async restoreImage(imageId: string, context: CallContext): Promise<ImageRecord> {
    await this.enter(context);
    checkIsService(context.identity);
    const image = this.existing(imageId);
    takeBackFakeDeletion(image, 0, this.now());
    this.timeline.add(imageId, 'image.restored', context);
    return present(image.record, context.identity);
  }

  async listMembers(imageId: string, context: CallContext): Promise<ImageMember[]> {
    await this.enter(context);
    return listFakeMembers(this.visible(imageId, context.identity), context.identity);
  }

  async replaceMembers(
    imageId: string,
    request: ReplaceMembers,
    context: CallContext,
  ): Promise<ImageMember[]> {
    await this.enter(context);
    const { members, memberQuota } = checkAgainst(replaceMembersSchema, request);
    checkMayShareAtAll(context.identity);
    const image = this.visible(imageId, context.identity);
    const before = image.members;
    replaceFakeMembers(image, members, memberQuota, context.identity, this.now());
    this.timeline.addMemberChanges(image, before, context);
    return listFakeMembers(image, context.identity);
  }

  async putMember(
    imageId: string,
    memberId: string,
    request: PutMember,
    context: CallContext,
  ): Promise<ImageMember> {
    await this.enter(context);
    checkMemberId(memberId);
    const { canShare, memberQuota } = checkAgainst(putMemberSchema, request);
    checkMayShareAtAll(context.identity);
    const image = this.visible(imageId, context.identity);
    const before = new Map(image.members);
    const now = this.now();
    const member = putFakeMember(image, memberId, canShare, memberQuota, context.identity, now);
    this.timeline.addMemberChanges(image, before, context);
    return member;
  }

  async deleteMember(
    imageId: string,
    memberId: string,
    context: CallContext,
  ): Promise<ImageMember> {
    await this.enter(context);
    checkMemberId(memberId);
    checkMayShareAtAll(context.identity);
    const image = this.visible(imageId, context.identity);
    const member = deleteFakeMember(image, memberId, context.identity);
    this.timeline.add(imageId, 'member.removed', context, { memberId });
    return member;
  }

  async addMember(imageId: string, request: AddMember, context: CallContext): Promise<ImageMember> {
    await this.enter(context);
    const checked = checkAgainst(addMemberSchema, request);
    const image = this.visible(imageId, context.identity);
    const member = addFakeMember(image, checked, context.identity, this.now());
    this.timeline.add(imageId, 'member.added', context, { memberId: checked.memberId });
    return member;
  }

  async getMember(imageId: string, memberId: string, context: CallContext): Promise<ImageMember> {
    await this.enter(context);
    checkMemberId(memberId);
    return getFakeMember(this.visible(imageId, context.identity), memberId, context.identity);
  }

  async setMemberStatus(
    imageId: string,
    memberId: string,
    request: SetMemberStatus,
    context: CallContext,
  ): Promise<ImageMember> {
    await this.enter(context);
    checkMemberId(memberId);
    const { status } = checkAgainst(setMemberStatusSchema, request);
    const image = this.visible(imageId, context.identity);
    const member = setFakeMemberStatus(image, memberId, status, context.identity, this.now());
    this.timeline.add(imageId, 'member.updated', context, { memberId });
    return member;
  }

  async removeMember(
    imageId: string,
    memberId: string,
    context: CallContext,
  ): Promise<ImageMember> {
    await this.enter(context);
    checkMemberId(memberId);
    const image = this.visible(imageId, context.identity);
    const member = removeFakeMember(image, memberId, context.identity);
    this.timeline.add(imageId, 'member.removed', context, { memberId });
    return member;
  }

  async listSharedImages(memberId: string, context: CallContext): Promise<SharedImage[]> {
    await this.enter(context);
    checkMemberId(memberId);
    return listFakeSharedImages(this.images.values(), memberId, context.identity);
  }

  async listTimeline(
    imageId: string,
    query: TimelineQuery,
    context: CallContext,
  ): Promise<TimelineEntry[]> {
    await this.enter(context);
    const checked = checkAgainst(timelineQuerySchema, query);
    const { identity } = context;
    const { record } = this.visible(imageId, identity);
    if (!identity.isAdmin && (record.owner === null || record.owner !== identity.projectId)) {
      throw new DomainError('forbidden', 'Only its owner sees what happened to an image.');
    }
    return this.timeline.list(imageId, checked);
  }

  async judgeBlobs(request: JudgeBlobs, context: CallContext): Promise<UnownedBlob[]> {
    await this.enter(context);
    const checked = checkAgainst(judgeBlobsSchema, request);
    checkIsService(context.identity);
    return this.blobs.judge(checked, this.images.values(), this.uploads.values(), this.nowMs());
  }

  async listProjects(query: ListProjects, context: CallContext): Promise<string[]> {
    await this.enter(context);
    const { after = '', limit } = checkAgainst(listProjectsSchema, query);
    checkIsService(context.identity);
    const owners = new Set([...this.images.values()].map(({ record }) => record.owner ?? ''));
    return [...owners]
      .sort()
      .filter((owner) => owner > after)
      .slice(0, limit);
  }

  /** Nobody is told of anything. */
  async reportDownloads(request: ReportDownloads, context: CallContext): Promise<boolean> {
    await this.enter(context);
    checkAgainst(reportDownloadsSchema, request);
    checkIsService(context.identity);
    return false;
  }

  async claimSweep(request: ClaimSweep, context: CallContext): Promise<boolean> {
    await this.enter(context);
    const { name, intervalSeconds } = checkAgainst(claimSweepSchema, request);
    checkIsService(context.identity);
    const claimedAt = this.sweeps.get(name) ?? -Infinity;
    if (this.nowMs() - claimedAt < intervalSeconds * 1_000) return false;
    this.sweeps.set(name, this.nowMs());
    return true;
  }

  async getUsage(context: CallContext): Promise<ProjectUsage> {
    await this.enter(context);
    const { projectId } = context.identity;
    if (!projectId) throw new DomainError('project_required', 'Only a project has usage.');
    return fakeUsageOf(projectId, this.images.values());
  }

  /** Every call starts here: the caller may be gone, and leases may have run out. */
  private async enter({ signal }: CallContext): Promise<void> {
    await Promise.resolve();
    if (signal?.aborted === true) {
      const reason: unknown = signal.reason;
      throw reason instanceof DomainError
        ? reason
        : new DomainError('client_gone', 'The request was given up.', { cause: reason });
    }
    for (const upload of this.uploads.values()) {
      if (upload.state === 'staged') {
        // Its import may have ended.
        const isStaged = this.images.get(upload.imageId)?.staged?.uploadId === upload.uploadId;
        if (!isStaged) upload.state = 'abandoned';
      } else if (upload.expiresAtMs <= this.nowMs()) this.end(upload, 'expired');
    }
  }

  private existing(imageId: string): FakeImage {
    const image = this.images.get(imageId);
    if (image === undefined) throw imageNotFound(imageId);
    return image;
  }

  private visible(imageId: string, identity: Identity): FakeImage {
    const image = this.existing(imageId);
    if (!isVisibleTo(identity, image)) throw imageNotFound(imageId);
    return image;
  }

  private changeable(imageId: string, identity: Identity): FakeImage {
    const image = this.visible(imageId, identity);
    if (image.record.deleted) throw imageNotFound(imageId);
    checkMayChange(identity, image);
    return image;
  }

  /** An image whose deletion may have begun. */
  private deletable(imageId: string, identity: Identity): FakeImage {
    const image = this.existing(imageId);
    if (!wasVisibleTo(identity, image)) throw imageNotFound(imageId);
    checkMayChange(identity, image);
    return image;
  }

  /** An upload and its image, which may be deleted by now, for who may change the image. */
  private uploadOf(imageId: string, uploadId: string, identity: Identity) {
    const upload = this.uploads.get(uploadId);
    if (upload?.imageId !== imageId) {
      throw new DomainError('not_found', `Upload ${uploadId} of image ${imageId} is not known.`, {
        details: { imageId, uploadId },
      });
    }
    const image = this.existing(imageId);
    // The project the upload counts for goes on with it when the image changes hands meanwhile.
    const isOwnUpload = upload.owner !== null && upload.owner === identity.projectId;
    if (identity.readOnly || !isOwnUpload) checkMayChange(identity, image);
    return { image, upload };
  }

  /** @throws `quota_exceeded`. Nothing has changed then. */
  private checkExternalData(
    { location, copyFrom, register }: ExternalData,
    { id, owner }: Pick<ImageRecord, 'id' | 'owner'>,
    limits: ProjectLimits | undefined,
  ): void {
    const data = location ?? copyFrom ?? register;
    if (!data) return;
    const task = (location ?? register)?.task;
    if (task) this.imports.requireNewTask(id, task.taskId);
    checkQuota(
      { owner, quotaBytes: data.storageQuotaBytes, limits },
      data.sizeBytes ?? 0,
      this.images.values(),
      this.uploads.values(),
    );
    if (copyFrom) checkFakeUploading(owner, limits, this.allBut(id));
  }

  private attach(image: FakeImage, { location, copyFrom, register }: ExternalData): void {
    const attempts = { attempts: 0, isLastAttempt: false, nextAttemptMs: this.nowMs() };
    if (location ?? copyFrom ?? register) this.imports.endPromise(image, { failure: SUPERSEDED });
    if (copyFrom) {
      image.copy = { ...attempts, request: copyFrom, check: undefined, taskId: undefined };
    }
    if (register) {
      const { url: sourceUrl, sizeBytes, hash: check, task } = register;
      if (task) this.imports.insertTask(image.record.id, task, 'location_import');
      const request = { sourceUrl, storeId: '', sizeBytes };
      image.copy = { ...attempts, request, check, taskId: task?.taskId };
    }
    if (!location) return;
    const { url, metadata, sizeBytes, hash, task } = location;
    if (hash) {
      Object.assign(image.record, { hashAlgorithm: hash.algorithm, hashValue: hash.value });
    }
    transition(image, 'active');
    image.record.sizeBytes = sizeBytes;
    image.record.locations.push({ id: this.nextLocationId++, url, metadata, status: 'active' });
    if (!task) return;
    this.imports.insertTask(image.record.id, task, 'location_import');
    this.imports.endTask(image, task.taskId, {});
  }

  private tellOfData(image: FakeImage, data: ExternalData, context: CallContext): void {
    const { id, sizeBytes: bytes } = image.record;
    if (data.location) this.timeline.add(id, 'image.activated', context, { bytes });
  }

  private claim(
    image: FakeImage,
    begin: BeginUpload,
    kind: FakeUpload['kind'] = 'upload',
  ): UploadLease {
    const { record } = image;
    const isOfImport = kind === 'import' || kind === 'image_copy';
    if (record.status !== 'queued' && !isOfImport) throw conflict(record.id);
    const upload: FakeUpload = {
      uploadId: begin.uploadId,
      imageId: record.id,
      kind,
      state: 'live',
      failureStatus: begin.failureStatus,
      owner: record.owner,
      reservedBytes: kind === 'stage' ? 0 : (begin.expectedSizeBytes ?? 0),
      quotaBytes: begin.storageQuotaBytes,
      bytesReceived: 0,
      expiresAtMs: this.nowMs() + LEASE_SECONDS * 1_000,
    };
    if (kind === 'upload' || kind === 'stage') {
      const { limits } = begin;
      if (kind === 'upload') this.checkQuota({ ...upload, limits }, upload.reservedBytes);
      checkFakeStaged(record.owner, begin.expectedSizeBytes ?? 0, limits, this.images.values());
      checkFakeUploading(record.owner, limits, this.allBut(record.id));
    }
    if (this.uploads.has(begin.uploadId)) throw conflict(record.id);
    const uploads = [...this.uploads.values()];
    const firstAttempt =
      !uploads.some(({ imageId }) => imageId === record.id) && !this.blobs.knows(record.id);
    if (!isOfImport) {
      const underWay = { stage: 'uploading', check: 'importing', upload: 'saving', copy: 'saving' };
      transition(image, underWay[kind] as ImageStatus);
    }
    image.uploadId = begin.uploadId;
    record.updatedAt = this.now();
    this.uploads.set(begin.uploadId, upload);
    return { ...leaseOf(upload), firstAttempt };
  }

  /** Ends an upload that came to nothing, unless it has ended; one that is void stays so. */
  private end(
    upload: FakeUpload,
    state: 'abandoned' | 'expired',
    { copy: copyEnd = 'failed', message }: Pick<AbandonUpload, 'copy' | 'message'> = {},
    actor?: FakeActor,
  ): void {
    upload.reservedBytes = 0;
    if (upload.state !== 'live') return;
    upload.state = state;
    const image = this.images.get(upload.imageId);
    if (image?.uploadId !== upload.uploadId) return;
    image.record.updatedAt = this.now();
    if (upload.kind === 'import' || upload.kind === 'image_copy') {
      image.uploadId = null;
      this.imports.failStep(image, state, { copyEnd, message, bytes: upload.bytesReceived }, actor);
      return;
    }
    const area = upload.kind === 'stage' ? 'staging' : upload.kind;
    const step = copyEnd === 'handed_back' && upload.kind !== 'upload' ? 'interrupted' : 'failed';
    this.timeline.add(image.record.id, `${area}.${step}`, actor, {
      bytes: upload.bytesReceived,
      reason: message ?? 'Internal error',
    });
    if (upload.kind === 'upload' || upload.kind === 'stage' || image.copy === null) {
      transition(image, upload.failureStatus);
      return;
    }
    const { copy } = image;
    const failedForGood = copyEnd === 'failed_for_good';
    const status = failedForGood && !copy.check ? 'killed' : upload.failureStatus;
    transition(image, copyEnd === 'handed_back' ? 'queued' : status);
    if (image.record.status === 'queued') image.record.sizeBytes = copy.request.sizeBytes;
    const checkIsOver = copy.check !== undefined && (failedForGood || copy.isLastAttempt);
    if (image.record.status === 'killed' || (checkIsOver && copyEnd !== 'handed_back')) {
      this.imports.endPromise(image, { failure: message ?? 'Internal error' });
    }
    if (copyEnd === 'handed_back') {
      copy.attempts -= 1;
      copy.nextAttemptMs = this.nowMs();
    }
  }

  private allBut(imageId: string): FakeImage[] {
    return [...this.images.values()].filter(({ record }) => record.id !== imageId);
  }

  private checkQuota(
    upload: Pick<FakeUpload, 'uploadId' | 'owner' | 'quotaBytes'> & {
      limits: ProjectLimits | undefined;
    },
    bytes: number,
  ): void {
    checkQuota(upload, bytes, this.images.values(), this.uploads.values());
  }

  private isRemovable(url: string, upload: FakeUpload): boolean {
    for (const { record, beforeDeletion } of this.images.values()) {
      const locations = beforeDeletion?.locations ?? record.locations;
      if (locations.some((location) => location.url === url)) return false;
    }
    return ![...this.uploads.values()].some(
      (other) => other !== upload && other.imageId === upload.imageId && other.state === 'live',
    );
  }

  private nowMs(): number {
    return this.clock() + this.clockOffsetMs;
  }

  private now(): string {
    return toWireTime(new Date(this.nowMs()));
  }
}

function checkIsService(identity: Identity): void {
  if (!identity.isAdmin) throw new DomainError('forbidden', 'This is for the service itself.');
}
