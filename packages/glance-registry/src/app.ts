import type { BlobService } from './blobs/blob-service';
import { blobsRouter } from './blobs/blobs-controller';
import type { DownloadService } from './downloads/download-service';
import { downloadsRouter } from './downloads/downloads-controller';
import { copiesRouter, copySourcesRouter } from './copies/copies-controller';
import type { CopyService } from './copies/copy-service';
import { CONTRACT_VERSION, type ContractInfo, type WireError } from '@glance/common';
import {
  accessLogMiddleware,
  errorMiddleware,
  headerLimitsMiddleware,
  healthRouter,
  jsonBody,
  requestIdMiddleware,
  requestMetricsMiddleware,
  routesAt,
  securityHeaders,
  type HealthOptions,
  type Logger,
  type Metrics,
  type ServiceKeys,
} from '@glance/service-kit';
import express, { type Express, type Response, type Router } from 'express';
import { INTERNAL_HTTP_STATUS } from './http-status';
import { clientNames } from './http/client-names';
import { methodNotAllowed, noSuchRoute } from './http/method-not-allowed';
import { serviceAuthentication } from './http/service-authentication';
import type { DeletionService } from './deletions/deletion-service';
import { deletionsRouter, waitingDeletionsRouter } from './deletions/deletions-controller';
import type { ImageService } from './images/image-service';
import { imagesRouter } from './images/images-controller';
import type { ImportService } from './imports/import-service';
import { imageImportRouter, importsRouter } from './imports/imports-controller';
import type { MemberService } from './members/member-service';
import { membersRouter, sharedImagesRouter } from './members/members-controller';
import type { MetadefItemService } from './metadefs/metadef-item-service';
import type { MetadefService } from './metadefs/metadef-service';
import { metadefsRouter } from './metadefs/metadefs-controller';
import { RELEASE } from './release';
import { usageRouter } from './quota/usage-controller';
import type { UsageService } from './quota/usage-service';
import type { RemovalService } from './removals/removal-service';
import { locationRemovalsRouter, removalsRouter } from './removals/removals-controller';
import type { SweepService } from './sweeps/sweep-service';
import { sweepsRouter } from './sweeps/sweeps-controller';
import type { TimelineService } from './events/timeline-service';
import { timelineRouter } from './events/timeline-controller';
import type { TaskService } from './tasks/task-service';
import { imageTasksRouter, tasksRouter } from './tasks/tasks-controller';
import type { UploadService } from './uploads/upload-service';
import { uploadsRouter } from './uploads/uploads-controller';

export interface AppOptions {
  logger: Logger;
  /** Absent: requests are not counted. */
  metrics?: Metrics | undefined;
  health: HealthOptions;
  maxRequestIdLength: number;
  /** None: whoever reaches the service is believed. */
  serviceKeys: ServiceKeys;
  /** Names in client certificates; none: those of every certificate. */
  clientNames: readonly string[];
  images: ImageService;
  uploads: UploadService;
  deletions: DeletionService;
  members: MemberService;
  copies: CopyService;
  blobs: BlobService;
  downloads: DownloadService;
  sweeps: SweepService;
  removals: RemovalService;
  imports: ImportService;
  tasks: TaskService;
  timeline: TimelineService;
  usage: UsageService;
  metadefs: MetadefService;
  metadefItems: MetadefItemService;
}

const MAX_BODY_BYTES = 1024 * 1024;
const MAX_BODY_DEPTH = 25;
const RETRY_AFTER_SECONDS = '1';

/** The internal HTTP application, in the order a request meets its parts. */
export function createApp(options: AppOptions): Express {
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.use(securityHeaders);
  app.use(healthRouter(options.health));
  app.use(requestIdMiddleware(options.maxRequestIdLength));
  app.use(accessLogMiddleware(options.logger));
  if (options.metrics) app.use(requestMetricsMiddleware(options.metrics));
  app.use(headerLimitsMiddleware());
  app.use(clientNames(options.clientNames, options.logger));
  app.use(serviceAuthentication(options.serviceKeys));
  const mount = (prefix: string, router: Router): void => {
    app.use(prefix, routesAt(prefix), router);
  };
  // Before the limits of all other bodies: a namespace with what it holds is larger.
  mount('/v1/metadefs', metadefsRouter(options.metadefs, options.metadefItems));
  app.use(jsonBody({ maxBytes: MAX_BODY_BYTES, maxDepth: MAX_BODY_DEPTH }));
  app
    .route('/v1')
    .get((_req, res) => {
      res.json({ contract: CONTRACT_VERSION, release: RELEASE } satisfies ContractInfo);
    })
    .all(methodNotAllowed);
  mount('/v1/images', imagesRouter(options.images));
  mount('/v1/images', uploadsRouter(options.uploads));
  mount('/v1/images', deletionsRouter(options.deletions));
  mount('/v1/images', membersRouter(options.members));
  mount('/v1/images', copySourcesRouter(options.copies));
  mount('/v1/images', locationRemovalsRouter(options.removals));
  mount('/v1/images', imageImportRouter(options.imports));
  mount('/v1/images', imageTasksRouter(options.tasks));
  mount('/v1/images', timelineRouter(options.timeline));
  mount('/v1/imports', importsRouter(options.imports));
  mount('/v1/tasks', tasksRouter(options.tasks));
  mount('/v1/deletions', waitingDeletionsRouter(options.deletions));
  mount('/v1/removals', removalsRouter(options.removals));
  mount('/v1/copies', copiesRouter(options.copies));
  mount('/v1/downloads', downloadsRouter(options.downloads));
  mount('/v1/blobs', blobsRouter(options.blobs));
  mount('/v1/sweeps', sweepsRouter(options.sweeps));
  mount('/v1/quota-usage', usageRouter(options.usage));
  mount('/v1/shared-images', sharedImagesRouter(options.members));
  app.use(noSuchRoute);
  app.use(
    errorMiddleware({
      logger: options.logger,
      statusOf: INTERNAL_HTTP_STATUS,
      render: (_req, res: Response, status, { code, message, details }) => {
        if (status === 503) res.setHeader('Retry-After', RETRY_AFTER_SECONDS);
        res.status(status).json({ error: { code, message, details } } satisfies WireError);
      },
    }),
  );
  return app;
}
