import { BlobService } from '../blobs/blob-service';
import { CopyService } from '../copies/copy-service';
import { randomUUID } from 'node:crypto';
import type {
  BeginUpload,
  CommitUpload,
  Identity,
  ImageListQuery,
  ImageRecord,
  NewImage,
} from '@glance/common';
import { silentLogger } from '@glance/service-kit';
import type { Database } from '../db/create-database';
import { NO_CIPHER, type TextCipher } from '../db/text-cipher';
import { TransactionRunner } from '../db/transaction';
import { DeletionService } from '../deletions/deletion-service';
import type { Announcing } from '../events/event-log';
import { ImageService } from '../images/image-service';
import { MemberService } from '../members/member-service';
import { createRepositories, type Repositories } from '../repositories';
import { UploadService } from '../uploads/upload-service';

/** Gets an announcement of everything; nobody sends it. */
const TEST_SINK = { sinks: ['test'], disabled: [] };

/** The services of one registry process on a database, without HTTP. */
export class RegistryWorld {
  readonly transactions: TransactionRunner<Repositories>;
  readonly images: ImageService;
  readonly uploads: UploadService;
  readonly deletions: DeletionService;
  readonly members: MemberService;
  readonly copies: CopyService;
  readonly blobs: BlobService;

  constructor(
    readonly database: Database,
    cipher: TextCipher = NO_CIPHER,
    announcing: Announcing = TEST_SINK,
  ) {
    this.transactions = new TransactionRunner(
      database,
      (connection, dialect, actor) =>
        createRepositories(connection, dialect, actor, { cipher, announcing }),
      silentLogger,
      cipher,
    );
    this.images = new ImageService(this.transactions);
    this.uploads = new UploadService(this.transactions, silentLogger);
    this.deletions = new DeletionService(this.transactions);
    this.members = new MemberService(this.transactions);
    this.copies = new CopyService(this.transactions);
    this.blobs = new BlobService(this.transactions);
  }

  async create(image: NewImage = {}, identity = ADMIN): Promise<ImageRecord> {
    return (await this.images.create({ image }, identity, {})).image;
  }

  async begin(
    imageId: string,
    overrides: Partial<BeginUpload> = {},
    identity = ADMIN,
  ): Promise<string> {
    const upload = anUpload(overrides);
    await this.uploads.begin(imageId, upload, identity, {});
    return upload.uploadId;
  }

  async createActive(
    image: NewImage = {},
    commit: Partial<CommitUpload> = {},
    identity = ADMIN,
  ): Promise<ImageRecord> {
    const { id } = await this.create(image, identity);
    const uploadId = await this.begin(id, {}, identity);
    return await this.uploads.commit(id, uploadId, aCommit(commit), identity, {});
  }

  /** Puts a member row in, past all rules. */
  async share(imageId: string, member: string, status = 'accepted'): Promise<void> {
    const now = '2026-01-01 00:00:00';
    await this.database.knex('image_members').insert({
      image_id: imageId,
      member,
      status,
      can_share: 0,
      created_at: now,
      updated_at: now,
      deleted: 0,
    });
  }

  /** Lets the time of every running upload be over. */
  async letLeasesRunOut(): Promise<void> {
    await this.database
      .knex('registry_leases')
      .whereNull('finished_at')
      .update({ expires_at: '2000-01-01 00:00:00' });
  }

  async usageOf(owner: string): Promise<{ usedBytes: number; reservedBytes: number }> {
    const row = (await this.database.knex('registry_quota_usage').where({ owner }).first()) as
      { used_bytes: number; reserved_bytes: number } | undefined;
    return { usedBytes: row?.used_bytes ?? 0, reservedBytes: row?.reserved_bytes ?? 0 };
  }
}

export const ADMIN: Identity = {
  userId: 'admin',
  projectId: 'admin-project',
  roles: ['admin'],
  isAdmin: true,
  readOnly: false,
};

export function memberOf(projectId: string | null): Identity {
  return { userId: 'user', projectId, roles: ['member'], isAdmin: false, readOnly: false };
}

export function anUpload(overrides: Partial<BeginUpload> = {}): BeginUpload {
  return {
    uploadId: randomUUID(),
    node: 'test:1',
    failureStatus: 'queued',
    expectedSizeBytes: null,
    storageQuotaBytes: null,
    ...overrides,
  };
}

export function aCommit(overrides: Partial<CommitUpload> = {}): CommitUpload {
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

export function aQuery(overrides: Partial<ImageListQuery> = {}): ImageListQuery {
  return {
    scope: 'caller',
    memberStatus: 'accepted',
    deleted: false,
    sort: [],
    limit: 1000,
    ...overrides,
  };
}

/** The codes of the errors of calls that failed, and `done` for the others. */
export async function outcomesOf(calls: readonly Promise<unknown>[]): Promise<string[]> {
  const settled = await Promise.allSettled(calls);
  return settled.map((each) =>
    each.status === 'fulfilled'
      ? 'done'
      : String((each.reason as { code?: unknown }).code ?? each.reason),
  );
}
