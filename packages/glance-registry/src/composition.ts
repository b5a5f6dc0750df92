import { BlobService } from './blobs/blob-service';
import { DownloadService } from './downloads/download-service';
import { CopyService } from './copies/copy-service';
import { describeError } from '@glance/common';
import {
  Readiness,
  RepeatedTask,
  ServiceKeys,
  describeTasks,
  silentLogger,
  type Logger,
  type Metrics,
} from '@glance/service-kit';
import type { Express } from 'express';
import { createApp } from './app';
import { createDatabase, type Database, type DatabaseOptions } from './db/create-database';
import { SchemaOutdatedError, assertSchemaUsable, migrateUp } from './db/migrator';
import { purgeDeletedRows, purgeImages, type PurgeLimits } from './db/purge';
import type { TextCipher } from './db/text-cipher';
import { TransactionRunner } from './db/transaction';
import { adoptDeletions } from './deletions/adopt-deletions';
import { DeletionService } from './deletions/deletion-service';
import { createSenders } from './events/sending/create-senders';
import type { EventSettings } from './events/sending/event-options';
import { TimelineService } from './events/timeline-service';
import { ImageService } from './images/image-service';
import { ImportService } from './imports/import-service';
import { MetadefItemService } from './metadefs/metadef-item-service';
import { MetadefService } from './metadefs/metadef-service';
import { MemberService } from './members/member-service';
import { auditUsage } from './quota/usage-audit';
import { UsageService } from './quota/usage-service';
import { RemovalService } from './removals/removal-service';
import { describeDatabase } from './metrics/describe-database';
import { describeImages } from './metrics/describe-images';
import { describeTables } from './metrics/describe-tables';
import { createRepositories, type Repositories } from './repositories';
import { Sweeper } from './sweeper';
import { SweepService } from './sweeps/sweep-service';
import { TaskService } from './tasks/task-service';
import { expireLeases } from './uploads/lease-sweeper';
import { UploadService } from './uploads/upload-service';

export interface RegistrySettings {
  database: Omit<DatabaseOptions, 'logger'>;
  /** None: whoever reaches the service is believed. */
  serviceKeys?: ServiceKeys;
  /** Names in client certificates; none: those of every certificate. */
  clientNames?: readonly string[];
  maxRequestIdLength?: number;
  /** While this file exists `/healthcheck` answers 503. */
  disableByFile?: string | undefined;
  sweepIntervalMs?: number;
  auditIntervalMs?: number;
  /** Zero days: rows of deleted images stay. */
  purge?: { afterDays: number; intervalMs: number };
  leaseSeconds?: number;
  /** Of the URLs in the database; they are not encrypted unless set. */
  cipher?: TextCipher;
  /** Whether single images get series of their own. */
  imageSeries?: boolean;
  /** Who is told of events; nobody unless set. */
  events?: EventSettings;
}

export interface RegistryOverrides {
  logger?: Logger;
  metrics?: Metrics | undefined;
  /** Brings the schema up to date first, as `glance-manage db sync` does: for tests and trials. */
  migrate?: boolean;
}

export interface RegistryApplication {
  app: Express;
  readiness: Readiness;
  database: Database;
  /** Starts the health samples and the sweeps. Without it nothing runs beside the requests. */
  start(): void;
  /** One run of the sweeper that ends uploads whose lease is over. @returns how many it ended */
  expireLeases(): Promise<number>;
  close(): Promise<void>;
}

const SWEEP_INTERVAL_MS = 30_000;
const AUDIT_INTERVAL_MS = 86_400_000;
/** Upstream has done nothing since this process began, unless somebody changes back and forth. */
const ADOPTION_INTERVAL_MS = 3_600_000;
/** Work of every day begins within an hour of the start. */
const LATEST_START_MS = 3_600_000;
const NO_PURGE = { afterDays: 0, intervalMs: 86_400_000 };
const MAX_REQUEST_ID_LENGTH = 64;

/**
 * Everything of glance-registry but the port.
 * @throws SchemaOutdatedError when the database is there and its schema is not current. A database
 * that cannot be reached is no error here: the service starts and is not ready.
 */
export async function createRegistry(
  settings: RegistrySettings,
  { logger = silentLogger, metrics, migrate = false }: RegistryOverrides = {},
): Promise<RegistryApplication> {
  const database = createDatabase({ ...settings.database, logger: logger.child('database') });
  try {
    if (migrate) await migrateUp(database, () => undefined);
    await checkSchema(database, logger);
  } catch (error) {
    await database.close();
    throw error;
  }
  const transactions = new TransactionRunner<Repositories>(
    database,
    (connection, dialect, actor) =>
      createRepositories(connection, dialect, actor, {
        ...settings,
        announcing: settings.events?.announcing,
      }),
    logger.child('database'),
    settings.cipher,
  );
  const uploadsLogger = logger.child('uploads');
  const sweeper = new Sweeper(
    transactions,
    logger.child('sweeper'),
    settings.sweepIntervalMs ?? SWEEP_INTERVAL_MS,
    settings.events?.retentionSeconds,
  );
  const senders = createSenders(settings.events, transactions, logger.child('events'));
  const auditIntervalMs = settings.auditIntervalMs ?? AUDIT_INTERVAL_MS;
  const audit: RepeatedTask = new RepeatedTask({
    id: 'quota_audit',
    name: 'The audit of the quota accounts',
    intervalMs: auditIntervalMs,
    logger,
    work: () =>
      auditUsage({
        transactions,
        logger: logger.child('quota'),
        isCancelled: () => audit.isClosed,
      }),
  });
  const adoption = new RepeatedTask({
    id: 'adoption',
    name: 'The search for what upstream began to delete',
    intervalMs: ADOPTION_INTERVAL_MS,
    logger,
    work: () => adoptDeletions(transactions, logger.child('deletions')),
  });
  const purgeSettings = settings.purge ?? NO_PURGE;
  const purge: RepeatedTask | undefined =
    purgeSettings.afterDays === 0
      ? undefined
      : new RepeatedTask({
          id: 'purge',
          name: 'The purge of deleted rows',
          intervalMs: purgeSettings.intervalMs,
          logger,
          work: () =>
            purgeAll(
              database,
              {
                ageInDays: purgeSettings.afterDays,
                maxRows: -1,
                isCancelled: () => purge?.isClosed === true,
              },
              logger.child('purge'),
            ),
        });
  const readiness = new Readiness(
    { database: () => assertSchemaUsable(database.knex) },
    logger.child('health'),
  );
  const tasks = [
    sweeper.task,
    adoption,
    audit,
    ...(purge ? [purge] : []),
    ...senders.map(({ task }) => task),
  ];
  if (metrics) {
    const watching = logger.child('metrics');
    describeTasks(metrics, tasks);
    describeDatabase(metrics, database);
    describeTables(metrics, transactions, watching);
    describeImages(metrics, transactions, {
      perImage: settings.imageSeries ?? false,
      logger: watching,
    });
    metrics.process.counter({
      name: `${metrics.prefix}_expired_leases_total`,
      help: 'Uploads, copies and imports that were given up after missed signs of life',
      read: () => [{ value: sweeper.expiredLeases }],
    });
  }
  const app = createApp({
    logger,
    metrics,
    health: { readiness, disableByFile: settings.disableByFile },
    maxRequestIdLength: settings.maxRequestIdLength ?? MAX_REQUEST_ID_LENGTH,
    serviceKeys: settings.serviceKeys ?? new ServiceKeys(() => []),
    clientNames: settings.clientNames ?? [],
    images: new ImageService(transactions),
    uploads: new UploadService(transactions, uploadsLogger),
    deletions: new DeletionService(transactions),
    members: new MemberService(transactions),
    copies: new CopyService(transactions),
    blobs: new BlobService(transactions),
    downloads: new DownloadService(transactions, settings.events?.announcing),
    sweeps: new SweepService(transactions),
    removals: new RemovalService(transactions),
    imports: new ImportService(transactions),
    tasks: new TaskService(transactions),
    timeline: new TimelineService(transactions),
    usage: new UsageService(transactions),
    metadefs: new MetadefService(transactions),
    metadefItems: new MetadefItemService(transactions),
  });
  return {
    app,
    readiness,
    database,
    start: () => {
      readiness.start();
      sweeper.start();
      adoption.start((settings.sweepIntervalMs ?? SWEEP_INTERVAL_MS) * Math.random());
      for (const sender of senders) sender.start();
      // Processes started together do not all begin at once.
      audit.start(Math.min(auditIntervalMs, LATEST_START_MS) * Math.random());
      purge?.start(Math.min(purgeSettings.intervalMs, LATEST_START_MS) * Math.random());
    },
    expireLeases: () => expireLeases(transactions, uploadsLogger),
    close: async () => {
      readiness.close();
      const closed = senders.map((sender) => sender.close());
      await Promise.all([
        sweeper.close(),
        adoption.close(),
        audit.close(),
        purge?.close(),
        ...closed,
      ]);
      await database.close();
    },
  };
}

/** What refers to images goes first. */
async function purgeAll(database: Database, limits: PurgeLimits, logger: Logger): Promise<void> {
  const removed = await purgeDeletedRows(database, limits, () => undefined);
  removed.set('images', await purgeImages(database, limits, () => undefined));
  for (const [table, rows] of removed) {
    if (rows > 0) logger.info('Removed rows that were deleted long ago', { table, rows });
  }
}

async function checkSchema(database: Database, logger: Logger): Promise<void> {
  try {
    await assertSchemaUsable(database.knex);
  } catch (error) {
    if (error instanceof SchemaOutdatedError) throw error;
    logger.warn(`The database cannot be reached yet: ${describeError(error)}`);
  }
}
