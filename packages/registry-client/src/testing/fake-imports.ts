import {
  DomainError,
  IMPORT_PROPERTIES,
  importVerdict,
  isServiceProperty,
  type BeginImport,
  type ClaimImport,
  type ClaimedImport,
  type CommitUpload,
  type ImageProperty,
  type ImageRecord,
  type ImportTarget,
  type TaskOfImage,
  type TaskRecord,
} from '@glance/common';
import type { FakeActor, FakeTimeline } from './fake-timeline';
import { transition, type FakeImage } from './fake-image';

const STATUS_FOR = {
  'glance-direct': 'uploading',
  'web-download': 'queued',
  'copy-image': 'active',
  'glance-download': 'queued',
  clone: 'queued',
  export: 'active',
} as const;

/** Why the copy or check of an image ends when it gets its data otherwise. */
export const SUPERSEDED = 'The image got its data otherwise';
/** Why what went on with an image ends with it. */
export const DELETED = 'The image was deleted';

/** An import that was accepted and has not ended. */
export interface FakeImport {
  request: BeginImport;
  targets: (ImportTarget & { locationId?: number })[];
  areaId: string | null;
  uploadId: string | null;
  attempts: number;
  isLastAttempt: boolean;
  /** What the image was before it got data. */
  before?: ImageRecord;
}

/** What the fake does about tasks and imports; the image is changed in place. */
export class FakeImports {
  readonly tasks = new Map<string, TaskRecord>();

  constructor(
    private readonly now: () => string,
    private readonly timeline: FakeTimeline,
  ) {}

  begin(image: FakeImage, request: BeginImport, actor: FakeActor): TaskRecord {
    const { record } = image;
    const { method, taskId } = request;
    if (image.import) throw conflict(record.id, 'Image has active task');
    const lacksData = method === 'glance-direct' && image.staged === null;
    if (record.status !== STATUS_FOR[method] || lacksData) {
      throw conflict(record.id, `Image status is ${record.status}`);
    }
    const task = this.insertTask(record.id, request, request.taskType ?? 'api_image_import');
    image.import = {
      request,
      targets: request.storeIds.map((storeId) => ({ storeId, state: 'waiting' })),
      areaId:
        method === 'glance-direct' ? (image.staged?.areaId ?? null) : (request.heldBy?.id ?? null),
      uploadId: null,
      attempts: 0,
      isLastAttempt: false,
    };
    if (method !== 'export') this.endPromise(image, { failure: SUPERSEDED });
    if (STATUS_FOR[method] !== 'active') transition(image, 'importing');
    this.show(image, image.import, [
      ...(request.properties ?? []),
      [IMPORT_PROPERTIES.task, taskId],
    ]);
    this.timeline.add(record.id, `${wordFor(request)}.accepted`, actor, { taskId });
    return structuredClone(task);
  }

  /** Before the claim is noted. */
  tellOfClaim(image: FakeImage, job: FakeImport, actor: FakeActor): void {
    const { taskId } = job.request;
    const { id } = image.record;
    if (job.uploadId === null)
      this.timeline.add(id, `${wordFor(job.request)}.started`, actor, { taskId });
    if (job.request.method !== 'export')
      this.timeline.add(id, 'import.filling', actor, { taskId, storeId: waitingTarget(job) });
  }

  /** A store has got the data. @returns whether the image becomes active with it */
  commitStep(image: FakeImage, locationId: number, bytes: number, actor: FakeActor): boolean {
    const job = requireImport(image);
    const about = { taskId: job.request.taskId, bytes };
    const storeId = waitingTarget(job);
    const tell = (step: string, more: object): void =>
      this.timeline.add(image.record.id, `import.${step}`, actor, more);
    tell('filled', { ...about, storeId });
    mark(job, 'done', locationId);
    const { allStoresMustSucceed } = job.request;
    const verdict = importVerdict(job.targets, allStoresMustSucceed);
    const activates =
      image.record.status === 'importing' && (verdict === 'succeeded' || !allStoresMustSucceed);
    if (verdict === 'next') this.advance(image, job);
    else this.end(image, job, undefined);
    if (activates) tell('activated', about);
    if (verdict !== 'next') tell('finished', { taskId: about.taskId });
    return activates;
  }

  /** The data is where no location of the image is. */
  commitExport(
    image: FakeImage,
    { location, sizeBytes, checksum }: CommitUpload,
    actor: FakeActor,
  ): void {
    const job = requireImport(image);
    const { taskId } = job.request;
    this.end(image, job, undefined, { location: location.url, size: sizeBytes, checksum });
    this.timeline.add(image.record.id, 'export.finished', actor, { taskId, bytes: sizeBytes });
  }

  failStep(
    image: FakeImage,
    state: 'abandoned' | 'expired',
    { copyEnd, message, bytes }: { copyEnd: string; message: string | undefined; bytes: number },
    actor: FakeActor | undefined,
  ): void {
    const job = requireImport(image);
    const { taskId } = job.request;
    const word = wordFor(job.request);
    const storeId = waitingTarget(job);
    const tell = (step: string, more: object): void =>
      this.timeline.add(image.record.id, `${word}.${step}`, actor, { taskId, ...more });
    if (copyEnd === 'handed_back' || (state === 'expired' && !job.isLastAttempt)) {
      if (copyEnd === 'handed_back') job.attempts -= 1;
      tell('interrupted', { bytes, reason: 'Another process goes on' });
      return;
    }
    const failure =
      message ??
      (state === 'expired'
        ? `The service ended ${job.attempts} times while it ran this import`
        : 'Task failed due to Internal Error');
    mark(job, 'failed');
    if (word === 'import') tell('store_failed', { storeId, reason: failure });
    const verdict = importVerdict(job.targets, job.request.allStoresMustSucceed);
    if (verdict === 'next') {
      this.advance(image, job);
      return;
    }
    if (verdict === 'succeeded') {
      this.end(image, job, undefined);
      tell('finished', {});
      return;
    }
    const { record } = image;
    const mine = new Set(job.targets.map(({ locationId }) => locationId));
    const begunAt = this.now();
    for (const location of record.locations.filter(({ id }) => mine.has(id))) {
      image.removals.push({
        location: { ...location, status: 'pending_delete' },
        begunAt,
        isDelayed: false,
      });
    }
    record.locations = record.locations.filter(({ id }) => !mine.has(id));
    for (const target of job.targets) if (target.state === 'waiting') target.state = 'done';
    this.end(image, job, failure);
    tell('failed', { reason: failure });
    if (record.status !== 'importing') return;
    if (job.request.deletesImage === true) {
      transition(image, 'deleted');
      Object.assign(record, { deleted: true, deletedAt: this.now() });
      this.timeline.add(record.id, 'image.deleted', actor);
      return;
    }
    transition(image, 'queued');
    const { diskFormat, containerFormat, properties } = job.before ?? record;
    const formats = { diskFormat, containerFormat };
    Object.assign(record, { checksum: null, hashAlgorithm: null, hashValue: null, ...formats });
    record.properties = [
      ...properties.filter(([name]) => !isServiceProperty(name)),
      ...record.properties.filter(([name]) => isServiceProperty(name)),
    ];
  }

  /** The image is being deleted. */
  cancel(image: FakeImage, actor: FakeActor): void {
    if (image.import) {
      const { request } = image.import;
      const { taskId } = request;
      const reason = DELETED;
      this.end(image, image.import, reason);
      this.timeline.add(image.record.id, `${wordFor(request)}.failed`, actor, {
        taskId,
        reason,
      });
    }
    image.staged = null;
  }

  private advance(image: FakeImage, job: FakeImport): void {
    Object.assign(job, { areaId: null, attempts: 0, isLastAttempt: false });
    this.show(image, job);
  }

  private end(
    image: FakeImage,
    job: FakeImport,
    failure: string | undefined,
    result: object = {},
  ): void {
    this.show(image, job);
    image.record.properties = image.record.properties.filter(
      ([name]) => name !== IMPORT_PROPERTIES.task,
    );
    image.import = null;
    image.staged = null;
    this.endTask(image, job.request.taskId, failure === undefined ? result : { failure });
  }

  /** @throws DomainError `conflict` for an id that was used before */
  requireNewTask(imageId: string, taskId: string): void {
    if (this.tasks.has(taskId)) throw conflict(imageId, 'The task id was used before');
  }

  /** As {@link requireNewTask}. */
  insertTask(imageId: string, request: TaskOfImage, type: string): TaskRecord {
    const { taskId, owner, input, requestId, userId } = request;
    this.requireNewTask(imageId, taskId);
    const now = this.now();
    const task: TaskRecord = {
      ...{ id: taskId, type, owner, input, imageId, requestId, userId },
      ...{ status: 'pending', result: null, message: '', expiresAt: null },
      ...{ deleted: false, createdAt: now, updatedAt: now, deletedAt: null },
    };
    this.tasks.set(taskId, task);
    return task;
  }

  /** Forgets the copy or check of an image, if there is one, and ends the task that showed it. */
  endPromise(image: FakeImage, how: { failure: string } | object): void {
    const taskId = image.copy?.taskId;
    image.copy = null;
    if (taskId !== undefined) this.endTask(image, taskId, how);
  }

  /** @param how the failure, or what the result has beside the image */
  endTask({ record }: FakeImage, taskId: string, how: { failure: string } | object): void {
    const task = this.tasks.get(taskId);
    if (!task) return;
    const failure = 'failure' in how ? how.failure : undefined;
    task.status = failure === undefined ? 'success' : 'failure';
    task.result = failure === undefined ? { image_id: record.id, ...how } : null;
    task.message = failure ?? '';
    task.updatedAt = this.now();
    task.expiresAt = this.now();
  }

  private show(image: FakeImage, job: FakeImport, others: readonly ImageProperty[] = []): void {
    if (job.request.method === 'export') return;
    const inState = (state: string): string =>
      job.request.storesAreNamed
        ? job.targets
            .filter((target) => target.state === state)
            .map(({ storeId }) => storeId)
            .sort()
            .join(',')
        : '';
    const shown: ImageProperty[] = [
      [IMPORT_PROPERTIES.importingTo, inState('waiting')],
      [IMPORT_PROPERTIES.failed, inState('failed')],
      ...others,
    ];
    putProperties(image.record, shown);
  }
}

function wordFor({ method }: BeginImport): 'import' | 'export' {
  return method === 'export' ? 'export' : 'import';
}

/** Over those of the same names. */
export function putProperties(record: ImageRecord, properties: readonly ImageProperty[]): void {
  const names = new Set(properties.map(([name]) => name));
  record.properties = [...record.properties.filter(([name]) => !names.has(name)), ...properties];
}

/** What a claim of the import is told to read. */
export function fakeSourceOf({ request, targets }: FakeImport): ClaimedImport['source'] {
  if (targets.some(({ state }) => state === 'done')) return 'image';
  const sources = {
    'glance-direct': 'staged',
    'web-download': 'url',
    'copy-image': 'image',
    'glance-download': 'held',
    clone: 'clone',
    export: 'image',
  } as const;
  return sources[request.method];
}

/** Whether the claimer can reach what the import reads. */
export function fakeCanReach({ areaId }: FakeImport, claim: ClaimImport): boolean {
  return (
    areaId === null || areaId === claim.stagingAreaId || (claim.holderIds ?? []).includes(areaId)
  );
}

export function waitingTarget({ targets }: FakeImport): string {
  return targets.find(({ state }) => state === 'waiting')?.storeId ?? '';
}

function mark(job: FakeImport, state: 'done' | 'failed', locationId?: number): void {
  const target = job.targets.find((each) => each.state === 'waiting');
  if (target) Object.assign(target, { state, ...(locationId === undefined ? {} : { locationId }) });
}

function requireImport(image: FakeImage): FakeImport {
  if (!image.import) throw conflict(image.record.id, 'The image is not being imported');
  return image.import;
}

function conflict(imageId: string, text: string): DomainError {
  return new DomainError('conflict', text, { details: { imageId } });
}
