import type { ImportTarget, TransferMethod } from '@glance/common';
import type { Knex } from 'knex';
import type { Dialect } from '../db/dialect';
import { executeSql, isOneOf, selectRow, selectRows, sql, sqlText } from '../db/sql';
import type { TextCipher } from '../db/text-cipher';
import { requireUrl } from '../images/stored-urls';
import type { Unlearned } from './learned-facts';

/** A store to fill, and what it got. */
export interface StoredTarget extends ImportTarget {
  locationId?: number;
}

/** An import that was accepted and has not ended. */
export interface Import {
  imageId: string;
  taskId: string;
  method: TransferMethod;
  /** Of `web-download`. */
  sourceUrl: string | null;
  /** The staging area that alone has the data, or the process that alone has a token; null when any process can go on. */
  areaId: string | null;
  targets: StoredTarget[];
  allMustSucceed: boolean;
  storesAreNamed: boolean;
  /** The attempt that runs, or ran last. */
  uploadId: string | null;
  /** At the store that is next, begun so far; one that was handed back does not count. */
  attempts: number;
  isLastAttempt: boolean;
  timeToLiveHours: number;
  /** As PEM: that of the signature which the data must have. */
  certificate: string | null;
  /** Of `clone`. */
  sourceImageId: string | null;
  deletesImage: boolean;
  /** What the image was, once an import has changed more of it than its data. */
  before?: Unlearned | undefined;
}

interface ImportRow {
  image_id: string;
  task_id: string;
  method: TransferMethod;
  source_url: string | null;
  area_id: string | null;
  targets: string;
  all_must_succeed: number;
  stores_are_named: number;
  upload_id: string | null;
  attempts: number;
  is_last_attempt: number;
  time_to_live_hours: number;
  before_import: string | null;
  certificate: string | null;
  source_image_id: string | null;
  deletes_image: number;
}

/** Rows of `registry_imports`. The image's row is locked by whoever changes one. */
export class ImportRepository {
  constructor(
    private readonly connection: Knex,
    private readonly dialect: Dialect,
    private readonly cipher: TextCipher,
  ) {}

  async insert(job: Import): Promise<void> {
    const source = job.sourceUrl === null ? null : this.cipher.seal(job.sourceUrl);
    await executeSql(
      this.connection,
      sql`INSERT INTO registry_imports
          (image_id, task_id, method, source_url, area_id, targets, all_must_succeed,
            stores_are_named, upload_id, attempts, is_last_attempt, time_to_live_hours, certificate,
            source_image_id, deletes_image, created_at)
        VALUES (${job.imageId}, ${job.taskId}, ${job.method}, ${source}, ${job.areaId},
          ${JSON.stringify(job.targets)}, ${Number(job.allMustSucceed)},
          ${Number(job.storesAreNamed)}, NULL, 0, 0, ${job.timeToLiveHours}, ${job.certificate},
          ${job.sourceImageId}, ${Number(job.deletesImage)}, ${this.dialect.now})`,
    );
  }

  async find(imageId: string): Promise<Import | undefined> {
    const row = await selectRow<ImportRow>(
      this.connection,
      sql`SELECT image_id, task_id, method, source_url, area_id, targets, all_must_succeed,
          stores_are_named, upload_id, attempts, is_last_attempt, time_to_live_hours, before_import,
          certificate, source_image_id, deletes_image
        FROM registry_imports WHERE image_id = ${imageId}${this.dialect.forUpdate}`,
    );
    return (
      row && {
        imageId: row.image_id,
        taskId: row.task_id,
        method: row.method,
        sourceUrl:
          row.source_url === null ? null : requireUrl(this.cipher, row.source_url, row.image_id),
        areaId: row.area_id,
        targets: JSON.parse(row.targets) as StoredTarget[],
        allMustSucceed: row.all_must_succeed !== 0,
        storesAreNamed: row.stores_are_named !== 0,
        uploadId: row.upload_id,
        attempts: row.attempts,
        isLastAttempt: row.is_last_attempt !== 0,
        timeToLiveHours: row.time_to_live_hours,
        certificate: row.certificate,
        sourceImageId: row.source_image_id,
        deletesImage: row.deletes_image !== 0,
        before:
          row.before_import === null ? undefined : (JSON.parse(row.before_import) as Unlearned),
      }
    );
  }

  /** Images whose import nobody carries out and that a reader of the area can go on with. */
  async findDue(areaIds: readonly string[], limit: number): Promise<string[]> {
    const rows = await selectRows<{ image_id: string }>(
      this.connection,
      sql`SELECT registry_imports.image_id FROM registry_imports
        LEFT JOIN registry_leases ON registry_leases.upload_id = registry_imports.upload_id
          AND registry_leases.finished_at IS NULL
        WHERE registry_leases.upload_id IS NULL
          AND (registry_imports.area_id IS NULL
            OR ${isOneOf(sqlText('registry_imports.area_id'), areaIds)})
        ORDER BY registry_imports.created_at LIMIT ${sqlText(String(limit))}`,
    );
    return rows.map((row) => row.image_id);
  }

  /** Images whose staged data is in an area that nobody has read for so long. */
  async findStranded(unseenSeconds: number, limit: number): Promise<string[]> {
    const rows = await selectRows<{ image_id: string }>(
      this.connection,
      sql`SELECT registry_imports.image_id FROM registry_imports
        LEFT JOIN registry_staging_areas
          ON registry_staging_areas.area_id = registry_imports.area_id
          AND registry_staging_areas.seen_at > ${this.dialect.secondsFromNow(-unseenSeconds)}
        LEFT JOIN registry_leases ON registry_leases.upload_id = registry_imports.upload_id
          AND registry_leases.finished_at IS NULL
        WHERE registry_imports.area_id IS NOT NULL AND registry_staging_areas.area_id IS NULL
          AND registry_leases.upload_id IS NULL
          AND registry_imports.created_at <= ${this.dialect.secondsFromNow(-unseenSeconds)}
        LIMIT ${sqlText(String(limit))}`,
    );
    return rows.map((row) => row.image_id);
  }

  async beginAttempt(
    imageId: string,
    attempt: { uploadId: string; attempts: number; isLast: boolean },
  ): Promise<void> {
    await executeSql(
      this.connection,
      sql`UPDATE registry_imports SET upload_id = ${attempt.uploadId},
          attempts = ${attempt.attempts}, is_last_attempt = ${Number(attempt.isLast)}
        WHERE image_id = ${imageId}`,
    );
  }

  /** As if the running attempt had not begun. */
  async handBack(imageId: string): Promise<void> {
    await executeSql(
      this.connection,
      sql`UPDATE registry_imports
        SET attempts = CASE WHEN attempts > 0 THEN attempts - 1 ELSE 0 END
        WHERE image_id = ${imageId}`,
    );
  }

  /** On to the next store. */
  async advance({ imageId, targets, areaId, before }: Import): Promise<void> {
    await executeSql(
      this.connection,
      sql`UPDATE registry_imports SET targets = ${JSON.stringify(targets)}, area_id = ${areaId},
          attempts = 0, is_last_attempt = 0,
          before_import = ${before ? JSON.stringify(before) : null}
        WHERE image_id = ${imageId}`,
    );
  }

  async forget(imageId: string): Promise<void> {
    await executeSql(
      this.connection,
      sql`DELETE FROM registry_imports WHERE image_id = ${imageId}`,
    );
  }
}
