import type { ImageStatus, UploadLease, UploadState } from '@glance/common';
import type { Knex } from 'knex';
import type { Dialect } from '../db/dialect';
import { executeSql, selectRow, selectRows, sql, sqlText, type Sql } from '../db/sql';
import { toNumber, toNumberOrNull } from '../db/values';

/** How long a lease lasts after its last heartbeat, by the database's clock. */
export const DEFAULT_LEASE_SECONDS = 90;

/** So many heartbeats fit into a lease: a few may be lost. */
const HEARTBEATS_PER_LEASE = 6;

/**
 * Whether a client sends the data, into a store or a staging area; this service fetches it into a
 * store; this service reads what stays where it is; or an import fills a store, of an image that
 * waits for its data or of one that has it.
 */
export type LeaseKind = 'upload' | 'stage' | 'copy' | 'check' | 'import' | 'image_copy';

/** What an image is while somebody holds such a lease of it. */
export const STATUS_UNDER_LEASE = {
  upload: 'saving',
  stage: 'uploading',
  copy: 'saving',
  check: 'importing',
  import: 'importing',
  image_copy: 'active',
} as const satisfies Record<LeaseKind, ImageStatus>;

/** One attempt to upload an image. */
export interface Lease {
  uploadId: string;
  imageId: string;
  kind: LeaseKind;
  node: string;
  state: UploadState;
  /** False once the time is over, though nobody may have rolled it back yet. */
  inTime: boolean;
  failureStatus: ImageStatus;
  /** Whose quota holds the reservation. */
  owner: string | null;
  reservedBytes: number;
  quotaLimitBytes: number | null;
  /** As of the last heartbeat. */
  bytesReceived: number;
  finished: boolean;
}

interface LeaseRow {
  upload_id: string;
  image_id: string;
  kind: LeaseKind;
  node: string;
  state: UploadState;
  in_time: number | string;
  failure_status: ImageStatus;
  owner: string | null;
  reserved_bytes: number | string;
  quota_limit: number | string | null;
  bytes_received: number | string;
  finished_at: string | null;
}

/** Rows of `registry_leases`. Locked after the image and before the usage of its owner. */
export class LeaseRepository {
  constructor(
    private readonly connection: Knex,
    private readonly dialect: Dialect,
    private readonly leaseSeconds: number,
  ) {}

  /** What an uploader is told of its lease. */
  termsOf(uploadId: string): UploadLease {
    const { leaseSeconds } = this;
    const heartbeatSeconds = Math.max(1, Math.floor(leaseSeconds / HEARTBEATS_PER_LEASE));
    return { uploadId, leaseSeconds, heartbeatSeconds };
  }

  /** @throws whatever the database says when the upload id was used before. */
  async insert(
    lease: Pick<
      Lease,
      | 'uploadId'
      | 'imageId'
      | 'kind'
      | 'node'
      | 'failureStatus'
      | 'owner'
      | 'reservedBytes'
      | 'quotaLimitBytes'
    >,
  ): Promise<void> {
    await executeSql(
      this.connection,
      sql`INSERT INTO registry_leases
          (upload_id, image_id, kind, node, state, failure_status, owner, reserved_bytes,
            quota_limit, bytes_received, created_at, expires_at)
        VALUES (${lease.uploadId}, ${lease.imageId}, ${lease.kind}, ${lease.node}, 'live',
          ${lease.failureStatus}, ${lease.owner}, ${lease.reservedBytes},
          ${lease.quotaLimitBytes}, 0, ${this.dialect.now},
          ${this.dialect.secondsFromNow(this.leaseSeconds)})`,
    );
  }

  async find(imageId: string, uploadId: string): Promise<Lease | undefined> {
    return await this.select(imageId, uploadId, sqlText(''));
  }

  async lock(imageId: string, uploadId: string): Promise<Lease | undefined> {
    return await this.select(imageId, uploadId, this.dialect.forUpdate);
  }

  private async select(imageId: string, uploadId: string, lock: Sql): Promise<Lease | undefined> {
    const row = await selectRow<LeaseRow>(
      this.connection,
      sql`SELECT upload_id, image_id, kind, node, state, failure_status, owner, reserved_bytes,
          quota_limit, bytes_received, finished_at,
          CASE WHEN expires_at > ${this.dialect.now} THEN 1 ELSE 0 END AS in_time
        FROM registry_leases WHERE upload_id = ${uploadId} AND image_id = ${imageId}${lock}`,
    );
    return row && toLease(row);
  }

  /** A condition for the compare-and-swap of an image: this upload may still decide. */
  isLive(uploadId: string): Sql {
    return sql`EXISTS (SELECT 1 FROM registry_leases WHERE upload_id = ${uploadId}
      AND state = 'live' AND expires_at > ${this.dialect.now})`;
  }

  /** @returns false when the lease is not live any more. */
  async prolong(uploadId: string, bytesReceived: number, reservedBytes: number): Promise<boolean> {
    const matched = await executeSql(
      this.connection,
      sql`UPDATE registry_leases SET bytes_received = ${bytesReceived},
          reserved_bytes = ${reservedBytes},
          expires_at = ${this.dialect.secondsFromNow(this.leaseSeconds)}
        WHERE upload_id = ${uploadId} AND state = 'live' AND expires_at > ${this.dialect.now}`,
    );
    return matched === 1;
  }

  /** The end of a lease: it holds no reservation any more. */
  async finish(uploadId: string, state: UploadState): Promise<void> {
    await executeSql(
      this.connection,
      sql`UPDATE registry_leases SET state = ${state}, reserved_bytes = 0,
          finished_at = ${this.dialect.now}
        WHERE upload_id = ${uploadId}`,
    );
  }

  /** The data waits in a staging area: the lease has no end, and only an import's end finishes it. */
  async markStaged(uploadId: string): Promise<void> {
    await executeSql(
      this.connection,
      sql`UPDATE registry_leases SET state = 'staged', reserved_bytes = 0
        WHERE upload_id = ${uploadId}`,
    );
  }

  /**
   * Fences every running upload of a deleted image. The reservation stays until the uploader
   * notices or its time is over, because its bytes are still being written.
   */
  async voidLive(imageId: string): Promise<void> {
    await executeSql(
      this.connection,
      sql`UPDATE registry_leases SET state = 'void'
        WHERE image_id = ${imageId} AND state = 'live'`,
    );
  }

  /** Whether an upload of the image was ever begun. Leases that ended long ago are forgotten. */
  async existFor(imageId: string): Promise<boolean> {
    const row = await selectRow(
      this.connection,
      sql`SELECT 1 AS found FROM registry_leases WHERE image_id = ${imageId} LIMIT 1`,
    );
    return row !== undefined;
  }

  async hasOtherLive(imageId: string, uploadId: string): Promise<boolean> {
    const row = await selectRow(
      this.connection,
      sql`SELECT 1 AS found FROM registry_leases WHERE image_id = ${imageId}
        AND upload_id <> ${uploadId} AND state = 'live' LIMIT 1`,
    );
    return row !== undefined;
  }

  /** Leases whose time is over and that nobody has ended, the oldest first. */
  async findOverdue(limit: number): Promise<{ uploadId: string; imageId: string }[]> {
    const rows = await selectRows<{ upload_id: string; image_id: string }>(
      this.connection,
      sql`SELECT upload_id, image_id FROM registry_leases
        WHERE finished_at IS NULL AND expires_at <= ${this.dialect.now} AND state <> 'staged'
        ORDER BY expires_at LIMIT ${sqlText(String(limit))}`,
    );
    return rows.map((row) => ({ uploadId: row.upload_id, imageId: row.image_id }));
  }
}

function toLease(row: LeaseRow): Lease {
  return {
    uploadId: row.upload_id,
    imageId: row.image_id,
    kind: row.kind,
    node: row.node,
    state: row.state,
    inTime: toNumber(row.in_time) === 1,
    failureStatus: row.failure_status,
    owner: row.owner,
    reservedBytes: toNumber(row.reserved_bytes),
    quotaLimitBytes: toNumberOrNull(row.quota_limit),
    bytesReceived: toNumber(row.bytes_received),
    finished: row.finished_at !== null,
  };
}
