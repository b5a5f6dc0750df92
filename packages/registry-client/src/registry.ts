import type {
  AbandonResult,
  AbandonUpload,
  AddMember,
  BeginDeletion,
  BeginImport,
  BeginUpload,
  BeginUploadResult,
  ClaimCopy,
  ClaimDeletion,
  ClaimImport,
  ClaimSweep,
  ClaimedCopy,
  ClaimedImport,
  CommitStaging,
  CommitUpload,
  ContractInfo,
  CreateImageRequest,
  CreateImageResult,
  DeletionPlan,
  EndRemoval,
  Identity,
  ImageListQuery,
  ImageMember,
  ImageRecord,
  JudgeBlobs,
  ListProjects,
  ListRemovals,
  LocationRemoval,
  ProjectUsage,
  PutMember,
  RecordHashes,
  ReplaceMembers,
  ReportDownloads,
  SetImageStatus,
  SetMemberStatus,
  SharedImage,
  TaskListQuery,
  TaskRecord,
  TimelineEntry,
  TimelineQuery,
  UnownedBlob,
  UpdateImageRequest,
  UploadHeartbeat,
  UploadInfo,
  UploadLease,
} from '@glance/common';
import type { MetadefCatalogue } from './metadef-catalogue';

/** What every call carries besides its arguments. */
export interface CallContext {
  /** The end user the call is made for: visibility and ownership are decided for them. */
  identity: Identity;
  requestId: string;
  /** Gives the call up; a write may still have happened. */
  signal?: AbortSignal;
  /** Milliseconds the caller waits, retries included. */
  timeoutMs?: number;
}

/**
 * Every read and write of image metadata. All methods reject with `DomainError`s of
 * `@glance/common`; `registry_unavailable` when no answer could be had in time. Writes carry a
 * request key, so a retry inside the client never applies one twice.
 */
export interface Registry {
  readonly metadefs: MetadefCatalogue;

  /** The contract version the registry speaks; also proves that it is there. */
  contract(context: CallContext): Promise<ContractInfo>;

  /**
   * A page in the requested order.
   * @throws `invalid_request` for a bad query or marker; `forbidden` for a marker that the caller
   * may not see (detail `marker`), and for all projects' images when the caller is no admin.
   */
  listImages(query: ImageListQuery, context: CallContext): Promise<ImageRecord[]>;

  /**
   * One image. Deleted ones only for an admin.
   * @throws `image_not_found` also when the caller may not see it.
   */
  getImage(imageId: string, context: CallContext): Promise<ImageRecord>;

  /**
   * Creates an image; with a location it is active, with a copy promised it is `queued`.
   * @throws `image_exists` when the id was ever used; `quota_exceeded`; `forbidden` for a read-only
   * caller, and for an upload by somebody without a project.
   */
  createImage(request: CreateImageRequest, context: CallContext): Promise<CreateImageResult>;

  /**
   * Changes fields, properties and tags of an image the caller owns (admins: any). A location makes
   * a `queued` image active; a copy or check promised takes the place of one promised before.
   * @throws `image_not_found` (unseen, or seen but private to somebody else), `forbidden` (public
   * or community image of somebody else, or read-only caller), `conflict` (status precondition; a
   * location, copy or check for an image that is not `queued`; a property that must or must not be there,
   * with its name as detail `property`), `not_found` (a tag to remove), `quota_exceeded`. Nothing
   * has changed then.
   */
  updateImage(
    imageId: string,
    request: UpdateImageRequest,
    context: CallContext,
  ): Promise<ImageRecord>;

  /**
   * Deactivates an active image or reactivates a deactivated one. One that is so already stays as
   * it is, time of its last change included. Downloads that run go on.
   * @throws `conflict` in any other status, which is the detail `status`; else as updateImage.
   */
  setImageStatus(
    imageId: string,
    request: SetImageStatus,
    context: CallContext,
  ): Promise<ImageRecord>;

  /**
   * Records what the data of a location was found to hash to, when the image is still active with
   * that location and that size, and has no hashes.
   * @returns whether it did.
   * @throws `forbidden` for anybody but an admin: the service itself has read the data.
   */
  recordHashes(imageId: string, request: RecordHashes, context: CallContext): Promise<boolean>;

  /**
   * Claims a `queued` image: it becomes `saving` under a lease.
   * @throws `conflict` when it is not `queued`; `quota_exceeded`; else as updateImage.
   */
  beginUpload(
    imageId: string,
    request: BeginUpload,
    context: CallContext,
  ): Promise<BeginUploadResult>;

  /** Prolongs the lease. @throws `upload_fenced` when it is no longer live; `quota_exceeded`. */
  heartbeat(
    imageId: string,
    uploadId: string,
    beat: UploadHeartbeat,
    context: CallContext,
  ): Promise<UploadLease>;

  /**
   * Location, size, hashes and `active` in one transaction. Repeating a commit that succeeded
   * returns the image again.
   * @throws `image_deleted` when the image was deleted meanwhile; `upload_fenced` when the lease
   * was taken away; `quota_exceeded`.
   */
  commitUpload(
    imageId: string,
    uploadId: string,
    request: CommitUpload,
    context: CallContext,
  ): Promise<ImageRecord>;

  /**
   * Ends an upload that was begun with `stage`: the image stays `uploading`, has the size of the
   * data, and waits for its import. Repeating it returns the image again.
   * @throws as commitUpload.
   */
  commitStaging(
    imageId: string,
    uploadId: string,
    request: CommitStaging,
    context: CallContext,
  ): Promise<ImageRecord>;

  /** Ends an upload that failed. Idempotent; tells whether the uploader may remove its blob. */
  abandonUpload(
    imageId: string,
    uploadId: string,
    request: AbandonUpload,
    context: CallContext,
  ): Promise<AbandonResult>;

  /** What became of an upload. @throws `not_found` when it never began. */
  getUpload(imageId: string, uploadId: string, context: CallContext): Promise<UploadInfo>;

  /**
   * Takes a promised copy that is due: its image becomes `saving` under a lease, and the copy goes
   * on as an upload. When the lease ends without a commit the copy is due again after a while, or
   * the image is killed. A check likewise, but its image is `importing` and never killed: after the
   * last attempt it is `queued` and the check forgotten.
   * @returns null when there is nothing to do.
   * @throws `forbidden` for anybody but an admin: copies are the service's own work.
   */
  claimCopy(request: ClaimCopy, context: CallContext): Promise<ClaimedCopy | null>;

  /**
   * Where the data of a claimed copy, or of an import by URL, comes from: a secret.
   * @throws `upload_fenced` when the claim is no longer live; `not_found`; as claimCopy.
   */
  getCopySource(imageId: string, uploadId: string, context: CallContext): Promise<string>;

  /**
   * Accepts an import: its task is `pending`, the image locked by it and, unless it has data
   * already, `importing`.
   * @throws `conflict` while another import runs, and in any status but the one that the method
   * asks for; `quota_exceeded`; else as updateImage.
   */
  beginImport(imageId: string, request: BeginImport, context: CallContext): Promise<TaskRecord>;

  /**
   * Takes the next step of an import under a lease, which ends as that of an upload. A commit gives
   * the image the location and makes it `active` with the last store, or with the first when not
   * all must succeed; an attempt that failed fails the store, and with it what `allStoresMustSucceed`
   * says; one whose process died is taken again. The last step ends the task.
   * @returns null when there is nothing to do.
   * @throws `forbidden` for anybody but an admin: imports are the service's own work.
   */
  claimImport(request: ClaimImport, context: CallContext): Promise<ClaimedImport | null>;

  /** A page of the caller's tasks; of all for admins. @throws `invalid_request` for a bad marker. */
  listTasks(query: TaskListQuery, context: CallContext): Promise<TaskRecord[]>;

  /** Those of an image, as far as listTasks would show them; the oldest first. */
  listImageTasks(imageId: string, context: CallContext): Promise<TaskRecord[]>;

  /** @throws `not_found` also when the caller may not see it. */
  getTask(taskId: string, context: CallContext): Promise<TaskRecord>;

  /**
   * D1: takes the image away from every reader and fences running uploads. An image with locations
   * becomes `pending_delete`, one without `deleted`.
   * @throws `image_protected`, `image_pending_delete`, `image_not_found`, `forbidden`.
   */
  beginDeletion(
    imageId: string,
    request: BeginDeletion,
    context: CallContext,
  ): Promise<DeletionPlan>;

  /** D4: the data is gone; status, locations, properties, members and tags become `deleted`. */
  finishDeletion(imageId: string, context: CallContext): Promise<ImageRecord>;

  /**
   * Takes D1 back, because a store refuses to give the data up: the image is what it was before.
   * @throws `conflict` when there is no deletion to take back, or somebody else has begun to remove
   * the data meanwhile.
   */
  revertDeletion(imageId: string, context: CallContext): Promise<ImageRecord>;

  /**
   * Takes the next deletion that is due and was left by whoever began it; from then on its data
   * counts as gone, and {@link restoreImage} is refused. Others may be given the same one: data that
   * is gone already is what each of them wants.
   * @returns null when there is nothing to do.
   * @throws `forbidden` for anybody but an admin: deletions that were left are the service's own work.
   */
  claimDeletion(request: ClaimDeletion, context: CallContext): Promise<DeletionPlan | null>;

  /**
   * Gives a claimed deletion back whose data is there as it was: the store refused, and nothing was
   * removed. It is due again at once.
   * @returns whether anybody had claimed it.
   * @throws as claimDeletion; `image_not_found`; `conflict` when it is not being deleted.
   */
  releaseDeletion(imageId: string, context: CallContext): Promise<boolean>;

  /**
   * Brings an image back that waits for its data to be removed, as it was before its deletion, with
   * locations, properties, tags and members; one that was deactivated is so again.
   * @throws `image_not_found`; `conflict` when it does not wait, or its data is gone, in part or
   * perhaps; `forbidden` for anybody but an admin: for users a deletion is final.
   */
  restoreImage(imageId: string, context: CallContext): Promise<ImageRecord>;

  /**
   * Locations that were taken away from images that stay, or that images had which were deleted
   * while they were not `active`, and whose data is still to be removed, in the order of their ids.
   * Those of an image that is `pending_delete` are in its plan.
   * @throws `forbidden` for anybody but an admin: locations may carry credentials.
   */
  listRemovals(query: ListRemovals, context: CallContext): Promise<LocationRemoval[]>;

  /**
   * Says what became of the data of a location that was taken away.
   * @returns false when there is no such removal: somebody else has ended it, or the image is deleted.
   * @throws as listRemovals.
   */
  endRemoval(
    imageId: string,
    locationId: number,
    request: EndRemoval,
    context: CallContext,
  ): Promise<boolean>;

  /**
   * The members of an image that the caller may see; who may share it sees them all, anybody else
   * only the own membership.
   * @throws `image_not_found`, for a deleted image too.
   */
  listMembers(imageId: string, context: CallContext): Promise<ImageMember[]>;

  /**
   * Makes these the members, in one transaction: named ones stay or are added, others are removed.
   * A removed member who comes back starts like a new one, in the row it had.
   * @throws `image_not_found`; `project_required` for a caller without one who is no admin;
   * `quota_exceeded`; `forbidden` unless the caller may share: an admin, the owner, a member who
   * can share. Nothing has changed then.
   */
  replaceMembers(
    imageId: string,
    request: ReplaceMembers,
    context: CallContext,
  ): Promise<ImageMember[]>;

  /**
   * Adds or changes one member. The quota is asked for a change too, as upstream does.
   * @throws as replaceMembers; `invalid_request` for an id that no member can have.
   */
  putMember(
    imageId: string,
    memberId: string,
    request: PutMember,
    context: CallContext,
  ): Promise<ImageMember>;

  /**
   * @returns the membership as it was.
   * @throws as putMember; `not_found` when there is no such member.
   */
  deleteMember(imageId: string, memberId: string, context: CallContext): Promise<ImageMember>;

  /**
   * Adds a member, who has not answered yet and may not share.
   * @throws `image_not_found` for an image that is not seen or deleted; `forbidden` for one that is
   * not `shared`, and for anybody but an admin or the owner; `quota_exceeded`, before `conflict` for
   * who is a member already; `invalid_request` for an id that no member can have.
   */
  addMember(imageId: string, request: AddMember, context: CallContext): Promise<ImageMember>;

  /**
   * One membership: any for admins and the owner, the own one for everybody else.
   * @throws `not_found` when the caller sees none, or the image is not `shared`; `image_not_found`
   * for an image that is not seen or deleted; `invalid_request` as addMember.
   */
  getMember(imageId: string, memberId: string, context: CallContext): Promise<ImageMember>;

  /**
   * The member's answer, which may be changed at any time: for the member's project and admins.
   * @throws `forbidden` for the owner who is not the member, and for an image that is not `shared`;
   * `not_found` for a membership that getMember would not show; else as getMember.
   */
  setMemberStatus(
    imageId: string,
    memberId: string,
    request: SetMemberStatus,
    context: CallContext,
  ): Promise<ImageMember>;

  /**
   * Removes a member, as the owner or an admin: unlike {@link deleteMember} no member may, and the
   * image must be `shared`.
   * @returns the membership as it was.
   * @throws `forbidden` for the member, and for an image that is not `shared`; else as
   * setMemberStatus.
   */
  removeMember(imageId: string, memberId: string, context: CallContext): Promise<ImageMember>;

  /**
   * The images shared with a project, as far as {@link listMembers} would show it to the caller.
   * @throws `invalid_request` for an id that no member can have.
   */
  listSharedImages(memberId: string, context: CallContext): Promise<SharedImage[]>;

  /**
   * What happened to an image, for its owner and admins: a page of the newest so many entries.
   * @throws `image_not_found`; `forbidden` for whoever else sees the image.
   */
  listTimeline(
    imageId: string,
    query: TimelineQuery,
    context: CallContext,
  ): Promise<TimelineEntry[]>;

  /**
   * Which of the blobs no image has: none whose data is there or waits to be removed, none with an
   * upload that may still become one. They are remembered, so that the second look at one is known
   * for it; uploads that begin meanwhile take no name that is remembered.
   * @throws `forbidden` for anybody but an admin.
   */
  judgeBlobs(request: JudgeBlobs, context: CallContext): Promise<UnownedBlob[]>;

  /**
   * Ids of the projects that own images, deleted ones that are not purged yet included, in the
   * order of the database; each page is full but the last.
   * @throws as judgeBlobs.
   */
  listProjects(query: ListProjects, context: CallContext): Promise<string[]>;

  /**
   * @returns true for the first who asks in an interval, which begins with that.
   * @throws as judgeBlobs.
   */
  claimSweep(request: ClaimSweep, context: CallContext): Promise<boolean>;

  /**
   * Passes on that downloads have ended.
   * @returns whether anybody is told; if not, further reports are not worth their calls.
   * @throws as judgeBlobs.
   */
  reportDownloads(request: ReportDownloads, context: CallContext): Promise<boolean>;

  /**
   * What the images of the caller's project take of its limits. Data counts until it is gone, also
   * after the deletion of its image began.
   * @throws `project_required` for a caller without one.
   */
  getUsage(context: CallContext): Promise<ProjectUsage>;
}
