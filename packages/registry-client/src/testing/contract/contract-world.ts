import { randomUUID } from 'node:crypto';
import { expect } from '@jest/globals';
import {
  ANONYMOUS,
  SERVICE_IDENTITY,
  type BeginImport,
  type BeginUpload,
  type CommitStaging,
  type CommitUpload,
  type ErrorCode,
  type Identity,
  type ImageListQuery,
  type ImageRecord,
  type NewImage,
} from '@glance/common';
import type { CallContext, Registry } from '../../registry';
import type { RegistryUnderTest } from './contract-harness';

export type NewWorld = () => ContractWorld;

/** One case's projects, callers and images, apart from those of every other case. */
export class ContractWorld {
  readonly registry: Registry;
  readonly mark = randomUUID().slice(0, 8);
  readonly project = `own-${this.mark}`;
  readonly memberProject = `member-${this.mark}`;
  readonly otherProject = `other-${this.mark}`;
  readonly adminProject = `admin-${this.mark}`;

  readonly owner = this.as({ projectId: this.project });
  readonly member = this.as({ projectId: this.memberProject });
  readonly stranger = this.as({ projectId: this.otherProject });
  readonly projectless = this.as({ projectId: null });
  readonly anonymous = this.as(ANONYMOUS);
  readonly admin = this.as({ projectId: this.adminProject, roles: ['admin'], isAdmin: true });
  readonly service = this.as(SERVICE_IDENTITY);

  constructor(readonly underTest: RegistryUnderTest) {
    this.registry = underTest.registry;
  }

  as(identity: Partial<Identity>): CallContext {
    return {
      identity: {
        userId: `user-${this.mark}`,
        projectId: null,
        roles: ['member'],
        isAdmin: false,
        readOnly: false,
        ...identity,
      },
      requestId: `req-${randomUUID()}`,
    };
  }

  /** Creates an image; its name marks it as one of this world unless another is given. */
  async create(image: NewImage = {}, caller = this.owner): Promise<ImageRecord> {
    const result = await this.registry.createImage(
      { image: { name: this.mark, ...image } },
      caller,
    );
    return result.image;
  }

  uploadRequest(overrides: Partial<BeginUpload> = {}): BeginUpload {
    return {
      uploadId: randomUUID(),
      node: 'contract-suite:1',
      failureStatus: 'queued',
      expectedSizeBytes: null,
      storageQuotaBytes: null,
      ...overrides,
    };
  }

  /** Begins an upload to the image. @returns its id */
  async begin(imageId: string, overrides: Partial<BeginUpload> = {}, caller = this.owner) {
    const request = this.uploadRequest(overrides);
    await this.registry.beginUpload(imageId, request, caller);
    return request.uploadId;
  }

  commitRequest(overrides: Partial<CommitUpload> = {}): CommitUpload {
    return {
      location: { url: `file:///images/${randomUUID()}`, metadata: { store: 'file' } },
      sizeBytes: 5,
      virtualSizeBytes: null,
      checksum: '5d41402abc4b2a76b9719d911017c592',
      hashAlgorithm: 'sha512',
      hashValue: '9b'.repeat(64),
      ...overrides,
    };
  }

  /** What a staging area of this world got. */
  stagedData(overrides: Partial<CommitStaging> = {}): CommitStaging {
    return {
      areaId: randomUUID(),
      node: 'contract-suite:1',
      url: `file:///staging/${randomUUID()}`,
      sizeBytes: 5,
      checksum: '5d41402abc4b2a76b9719d911017c592',
      hashAlgorithm: 'sha512',
      hashValue: '9b'.repeat(64),
      ...overrides,
    };
  }

  importRequest(overrides: Partial<BeginImport> = {}): BeginImport {
    const method = overrides.method ?? 'web-download';
    return {
      taskId: randomUUID(),
      owner: this.project,
      userId: `user-${this.mark}`,
      requestId: null,
      input: { image_id: 'x' },
      timeToLiveHours: 48,
      method,
      ...(method === 'web-download' ? { sourceUrl: 'https://host.example/disk' } : {}),
      storeIds: ['one'],
      storesAreNamed: true,
      allStoresMustSucceed: true,
      ...overrides,
    };
  }

  /** An image with data. */
  async createActive(
    image: NewImage = {},
    commit: Partial<CommitUpload> = {},
    caller = this.owner,
  ): Promise<ImageRecord> {
    const { id } = await this.create(image, caller);
    const uploadId = await this.begin(id, {}, caller);
    return this.registry.commitUpload(id, uploadId, this.commitRequest(commit), caller);
  }

  async createKilled(image: NewImage = {}): Promise<ImageRecord> {
    const { id } = await this.create(image);
    const uploadId = await this.begin(id, { failureStatus: 'killed' });
    await this.abandon(id, uploadId);
    return this.registry.getImage(id, this.owner);
  }

  abandon(imageId: string, uploadId: string, locationUrl: string | null = null) {
    const request = { reason: 'contract suite', locationUrl };
    return this.registry.abandonUpload(imageId, uploadId, request, this.owner);
  }

  /** Deletes the image and, as a service would after removing the data, finishes that. */
  async remove(imageId: string, caller = this.owner): Promise<void> {
    const plan = await this.registry.beginDeletion(imageId, { delayed: false }, caller);
    if (plan.image.status === 'pending_delete') {
      await this.registry.finishDeletion(imageId, caller);
    }
  }

  query(overrides: Partial<ImageListQuery> = {}): ImageListQuery {
    return {
      scope: 'caller',
      memberStatus: 'accepted',
      deleted: false,
      sort: [],
      limit: 1_000,
      ...overrides,
    };
  }

  /** Ids of this world's images that the caller lists. */
  async listed(overrides: Partial<ImageListQuery> = {}, caller = this.owner): Promise<string[]> {
    const page = await this.registry.listImages(
      this.query({ name: [this.mark], ...overrides }),
      caller,
    );
    return page.map(({ id }) => id);
  }
}

/** Expects a call to fail with one of the codes; several where the sheets leave the choice. */
export async function expectRefusal(call: Promise<unknown>, ...codes: ErrorCode[]): Promise<void> {
  const outcome = await call.then(
    (value) => `resolved with ${JSON.stringify(value)}`,
    (error: unknown) => (error as { code?: unknown }).code ?? error,
  );
  expect(codes).toContain(outcome);
}

/** How many of the calls succeeded; the others must have failed with the code. */
export async function countWinners(
  calls: readonly Promise<unknown>[],
  code: ErrorCode,
): Promise<number> {
  const outcomes = await Promise.allSettled(calls);
  const failures = outcomes.filter((outcome) => outcome.status === 'rejected');
  for (const failure of failures) expect(failure.reason).toMatchObject({ code });
  return outcomes.length - failures.length;
}

/** Properties and tags have no order of their own. */
export function sorted<T>(items: readonly T[]): T[] {
  return [...items].sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
}
