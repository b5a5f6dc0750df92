import { IMAGE_STATUSES, VISIBILITIES, type ImageStatus, type ProjectUsage } from '@glance/common';
import type { Knex } from 'knex';
import type { Dialect } from '../db/dialect';
import { isOneOf, selectRow, sql, sqlText, type Sql } from '../db/sql';
import { toNumber } from '../db/values';
import type { UsageRepository } from './usage-repository';

const UPLOADING: readonly ImageStatus[] = ['saving', 'uploading', 'importing'];
const STAGED: readonly ImageStatus[] = ['uploading', 'importing'];
const GONE: readonly ImageStatus[] = ['killed', 'pending_delete', 'deleted'];
const COUNTED = IMAGE_STATUSES.filter((status) => !GONE.includes(status));

/** Names the stores that the data of an image is being copied to (schema sheet §5.5). */
const COPYING_PROPERTY = 'os_glance_importing_to_stores';

/**
 * What the images of a project are besides bytes (schema sheet §5.5). Counted when it is asked for:
 * there are no counters that something could forget to lower. Exact while the project's account is
 * locked and everybody else who counts holds that lock until his own change is committed.
 */
export class ProjectRepository {
  constructor(
    private readonly connection: Knex,
    private readonly dialect: Dialect,
    private readonly usage: UsageRepository,
  ) {}

  /** Images that are not gone. */
  async countImages(owner: string): Promise<number> {
    return await this.count(this.imagesIn(owner, COUNTED));
  }

  /**
   * Images whose data is coming in. Copies that are promised count from their promise on, so that
   * there is room for each when its turn comes.
   * @param except an image that is not counted.
   */
  async countUploading(owner: string, except?: string): Promise<number> {
    const others = except === undefined ? sqlText('1 = 1') : sql`images.id <> ${except}`;
    const comingIn = await this.count(sql`${this.imagesIn(owner, UPLOADING)} AND ${others}`);
    const promised = await this.count(
      sql`FROM registry_copies JOIN images ON images.id = registry_copies.image_id
        WHERE registry_copies.check_value IS NULL AND images.status = 'queued'
          AND images.deleted = 0 AND ${this.ownedBy(owner)} AND ${others}`,
    );
    const copying = await this.count(sql`${this.importing(owner)} AND ${others}`);
    return comingIn + promised + copying;
  }

  /** Bytes of images that are staged or imported. */
  async sumStaged(owner: string): Promise<number> {
    const sum = async (rows: Sql): Promise<number> => {
      const row = await selectRow<{ bytes: number | string | null }>(
        this.connection,
        sql`SELECT SUM(images.size) AS bytes ${rows}`,
      );
      return toNumber(row?.bytes ?? 0);
    };
    return (await sum(this.imagesIn(owner, STAGED))) + (await sum(this.importing(owner)));
  }

  /** All of it, as the project is told. */
  async measure(owner: string): Promise<ProjectUsage> {
    return {
      imageSizeTotalBytes:
        (await this.usage.find(owner))?.usedBytes ?? (await this.usage.sumStored(owner)),
      imageStageTotalBytes: await this.sumStaged(owner),
      imageCountTotal: await this.countImages(owner),
      imageCountUploading: await this.countUploading(owner),
    };
  }

  /**
   * Each column that the index begins with has values: so the few rows are read that count, and not
   * all that the project ever had.
   */
  private imagesIn(owner: string, statuses: readonly ImageStatus[]): Sql {
    const index = this.dialect.throughIndex(['registry_images_owner_status']);
    return sql`FROM images${index} WHERE ${this.ownedBy(owner)}
      AND ${isOneOf(sqlText('images.visibility'), VISIBILITIES)} AND images.deleted = 0
      AND images.os_hidden IN (0, 1) AND ${isOneOf(sqlText('images.status'), statuses)}`;
  }

  /** Images that have data and are copied to further stores. */
  private importing(owner: string): Sql {
    return sql`FROM image_properties JOIN images ON images.id = image_properties.image_id
      WHERE image_properties.name = ${COPYING_PROPERTY} AND image_properties.value <> ''
        AND ${isOneOf(
          sqlText('images.status'),
          COUNTED.filter((each) => !UPLOADING.includes(each)),
        )}
        AND ${this.ownedBy(owner)}`;
  }

  private ownedBy(owner: string): Sql {
    return this.dialect.exactly(sqlText('images.owner'), owner);
  }

  private async count(rows: Sql): Promise<number> {
    const row = await selectRow<{ images: number | string }>(
      this.connection,
      sql`SELECT COUNT(*) AS images ${rows}`,
    );
    return toNumber(row?.images ?? 0);
  }
}
