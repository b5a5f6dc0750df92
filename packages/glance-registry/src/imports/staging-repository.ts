import type { CommitStaging, StagedData } from '@glance/common';
import type { Knex } from 'knex';
import type { Dialect } from '../db/dialect';
import { executeSql, selectRow, sql } from '../db/sql';
import type { TextCipher } from '../db/text-cipher';
import { toNumber } from '../db/values';
import { requireUrl } from '../images/stored-urls';

interface StagedRow {
  upload_id: string;
  area_id: string;
  url: string;
  size_bytes: number | string;
  checksum: string;
  hash_algorithm: string;
  hash_value: string;
}

/** Rows of `registry_staged` and `registry_staging_areas`. */
export class StagingRepository {
  constructor(
    private readonly connection: Knex,
    private readonly dialect: Dialect,
    private readonly cipher: TextCipher,
  ) {}

  /** The image's row is locked by whoever calls. */
  async put(imageId: string, uploadId: string, staged: CommitStaging): Promise<void> {
    await executeSql(
      this.connection,
      sql`INSERT INTO registry_staged
          (image_id, upload_id, area_id, url, size_bytes, checksum, hash_algorithm, hash_value,
            created_at)
        VALUES (${imageId}, ${uploadId}, ${staged.areaId}, ${this.cipher.seal(staged.url)},
          ${staged.sizeBytes}, ${staged.checksum}, ${staged.hashAlgorithm}, ${staged.hashValue},
          ${this.dialect.now})`,
    );
  }

  async find(imageId: string): Promise<StagedData | undefined> {
    const row = await selectRow<StagedRow>(
      this.connection,
      sql`SELECT upload_id, area_id, url, size_bytes, checksum, hash_algorithm, hash_value
        FROM registry_staged WHERE image_id = ${imageId}${this.dialect.forUpdate}`,
    );
    return (
      row && {
        uploadId: row.upload_id,
        areaId: row.area_id,
        url: requireUrl(this.cipher, row.url, imageId),
        sizeBytes: toNumber(row.size_bytes),
        checksum: row.checksum,
        hash: { algorithm: row.hash_algorithm, value: row.hash_value },
      }
    );
  }

  async forget(imageId: string): Promise<void> {
    await executeSql(this.connection, sql`DELETE FROM registry_staged WHERE image_id = ${imageId}`);
  }

  /** Somebody who reads the area is there. */
  async touchArea(areaId: string, node: string): Promise<void> {
    await executeSql(
      this.connection,
      sql`INSERT INTO registry_staging_areas (area_id, node, seen_at)
        VALUES (${areaId}, ${node}, ${this.dialect.now})${this.dialect.onDuplicate(
          'area_id',
          (inserted) => sql`node = ${inserted('node')}, seen_at = ${inserted('seen_at')}`,
        )}`,
    );
  }

  /** Areas that nobody has read for so long and that nothing refers to. */
  async forgetAreas(unseenSeconds: number): Promise<void> {
    await executeSql(
      this.connection,
      sql`DELETE FROM registry_staging_areas
        WHERE seen_at <= ${this.dialect.secondsFromNow(-unseenSeconds)}
          AND area_id NOT IN (SELECT area_id FROM registry_staged)
          AND area_id NOT IN (SELECT area_id FROM registry_imports WHERE area_id IS NOT NULL)`,
    );
  }

  /** Who was last heard of that reads the area. */
  async nodeOf(areaId: string): Promise<string | undefined> {
    const row = await selectRow<{ node: string }>(
      this.connection,
      sql`SELECT node FROM registry_staging_areas WHERE area_id = ${areaId}`,
    );
    return row?.node;
  }
}
