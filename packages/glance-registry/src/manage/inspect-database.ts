import { createDatabase, type Database } from '../db/create-database';
import { parseConnectionUrl } from '../db/connection-url';
import { pendingMigrations } from '../db/migrator';
import { ADOPTABLE_HEADS, readAlembicHeads } from '../db/schema/alembic';
import { SchemaEditor, type SchemaPiece } from '../db/schema/schema-editor';
import { UPSTREAM_TABLES } from '../db/schema/upstream-tables';
import { selectRow, selectRows, sql, sqlText } from '../db/sql';
import { createTextCipher, type TextCipher } from '../db/text-cipher';
import { toNumber, toNumberOrNull, toWireTime } from '../db/values';
import { openUrl } from '../images/stored-urls';

/** What the schema of a database is, and what `db sync` would do to it. */
export interface SchemaFacts {
  /** Of the server, as it writes it; SQLite's own version for a file. */
  serverVersion: string;
  isMysql: boolean;
  /** Rows of alembic_version. */
  heads: readonly string[];
  /** Those that cannot be adopted: older than Queens, or newer than this release knows. */
  unknownHeads: readonly string[];
  hasImages: boolean;
  /** This service has been on it before. */
  isOurs: boolean;
  /** Migrations that `db sync` would run. */
  pending: readonly string[];
  /** Upstream's tables, columns and indexes that it would add. */
  missing: readonly SchemaPiece[];
}

/** Images that are not deleted, or those that are: how many have a status. */
export interface StatusCount {
  status: string;
  isDeleted: boolean;
  images: number;
}

/** An image whose data is on its way, and of which no running upload of this service is known. */
export interface StuckImage {
  id: string;
  status: string;
  /** `YYYY-MM-DDTHH:MM:SS`, UTC. */
  updatedAt: string;
}

/** A location that counts, of an image that is not deleted. */
export interface InspectedLocation {
  imageId: string;
  imageStatus: string;
  imageSizeBytes: number | null;
  isSealed: boolean;
  /** Undefined when it is encrypted and the key does not open it. */
  url: string | undefined;
  metadata: Record<string, unknown>;
}

const ROWS_PER_STATEMENT = 1000;
const STUCK_STATUSES = sqlText(`('saving', 'uploading', 'importing')`);

/** A look at a database that may be upstream's, ours, or none yet. It refuses every change. */
export class DatabaseInspection {
  private constructor(
    private readonly database: Database,
    private readonly cipher: TextCipher,
  ) {}

  /**
   * Opens no connection yet.
   * @throws Error for a URL or a key that cannot be used; it shows neither.
   */
  static open(url: string, encryptionKey: string | undefined): DatabaseInspection {
    const cipher = createTextCipher(encryptionKey);
    const database = createDatabase({ url, maxPoolSize: 1, maxOverflow: 0, readOnly: true });
    return new DatabaseInspection(database, cipher);
  }

  /** @throws what the server says. */
  async schema(): Promise<SchemaFacts> {
    const { knex, dialect } = this.database;
    const isMysql = dialect.name === 'mysql';
    const version = isMysql
      ? sqlText('SELECT VERSION() AS v')
      : sqlText('SELECT sqlite_version() AS v');
    const serverVersion = (await selectRow<{ v: string }>(knex, version))?.v ?? '';
    const editor = new SchemaEditor(knex, dialect, () => undefined);
    const heads = await readAlembicHeads(knex);
    const missing: SchemaPiece[] = [];
    for (const table of UPSTREAM_TABLES) missing.push(...(await editor.missingPieces(table)));
    return {
      serverVersion,
      isMysql,
      heads,
      unknownHeads: heads.filter((head) => !ADOPTABLE_HEADS.has(head)),
      hasImages: await editor.hasTable('images'),
      isOurs: await editor.hasTable('registry_migrations'),
      pending: (await pendingMigrations(knex)).map(({ name }) => name),
      missing,
    };
  }

  async imagesByStatus(): Promise<StatusCount[]> {
    const rows = await selectRows<{ status: string; deleted: number; images: number | string }>(
      this.database.knex,
      sqlText(
        'SELECT status, deleted, COUNT(*) AS images FROM images GROUP BY status, deleted ORDER BY deleted, status',
      ),
    );
    return rows.map(({ status, deleted, images }) => ({
      status,
      isDeleted: deleted !== 0,
      images: toNumber(images),
    }));
  }

  /** The longest waiting first. */
  async stuckImages(): Promise<StuckImage[]> {
    const { knex } = this.database;
    const isLeased = (await knex.schema.hasTable('registry_leases'))
      ? sqlText(
          'AND NOT EXISTS (SELECT 1 FROM registry_leases r WHERE r.image_id = images.id AND r.finished_at IS NULL)',
        )
      : sqlText('');
    const rows = await selectRows<{ id: string; status: string; updated_at: string }>(
      knex,
      sql`SELECT id, status, COALESCE(updated_at, created_at) AS updated_at FROM images
        WHERE deleted = 0 AND status IN ${STUCK_STATUSES} ${isLeased}
        ORDER BY updated_at, id LIMIT ${sqlText(String(ROWS_PER_STATEMENT))}`,
    );
    return rows.map(({ id, status, updated_at }) => ({
      id,
      status,
      updatedAt: toWireTime(updated_at),
    }));
  }

  /**
   * Ids of images that are to have bytes, and have no location at all. Those of no bytes may be:
   * Nova keeps the snapshots of volumes so.
   */
  async imagesWithoutLocation(): Promise<string[]> {
    const rows = await selectRows<{ id: string }>(
      this.database.knex,
      sqlText(
        `SELECT id FROM images
          WHERE deleted = 0 AND status IN ('active', 'deactivated') AND size > 0
            AND NOT EXISTS (SELECT 1 FROM image_locations
              WHERE image_locations.image_id = images.id AND image_locations.deleted = 0)
          ORDER BY id`,
      ),
    );
    return rows.map(({ id }) => id);
  }

  async countLocations(): Promise<number> {
    const row = await selectRow<{ total: number | string }>(
      this.database.knex,
      sql`SELECT COUNT(*) AS total
        FROM image_locations l JOIN images i ON i.id = l.image_id
        WHERE l.deleted = 0 AND i.deleted = 0`,
    );
    return toNumber(row?.total ?? 0);
  }

  /** Every location that counts, in the order in which they were added. */
  async *locations(): AsyncGenerator<InspectedLocation, undefined> {
    for (let after = 0; ;) {
      const rows = await selectRows<LocationRow>(
        this.database.knex,
        sql`SELECT l.id, l.image_id, l.value, l.meta_data, i.size, i.status
          FROM image_locations l JOIN images i ON i.id = l.image_id
          WHERE l.id > ${after} AND l.deleted = 0 AND i.deleted = 0
          ORDER BY l.id LIMIT ${sqlText(String(ROWS_PER_STATEMENT))}`,
      );
      for (const row of rows) {
        after = row.id;
        yield {
          imageId: row.image_id,
          imageStatus: row.status,
          imageSizeBytes: toNumberOrNull(row.size),
          isSealed: !row.value.includes('://'),
          url: openUrl(this.cipher, row.value),
          metadata: metadataOf(row.meta_data),
        };
      }
      if (rows.length < ROWS_PER_STATEMENT) return;
    }
  }

  async close(): Promise<void> {
    await this.database.close();
  }
}

/**
 * The password in a connection URL, as it stands there and as it is meant: to be kept out of what is
 * printed.
 */
export function passwordsIn(url: string): string[] {
  try {
    const target = parseConnectionUrl(url);
    const written = /:\/\/[^:@/]*:([^@]*)@/.exec(url)?.[1];
    const meant = target.kind === 'mysql' ? target.password : undefined;
    return [written, meant].filter((each) => each !== undefined && each !== '') as string[];
  } catch {
    return [url];
  }
}

interface LocationRow {
  id: number;
  image_id: string;
  value: string;
  meta_data: string | null;
  size: number | string | null;
  status: string;
}

/** Nothing, for what is no object: upstream wrote other things, long ago. */
function metadataOf(text: string | null): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text ?? '{}');
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : {};
  } catch {
    return {};
  }
}
