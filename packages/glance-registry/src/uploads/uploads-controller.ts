import {
  DomainError,
  abandonUploadSchema,
  beginUploadSchema,
  checkAgainst,
  commitStagingSchema,
  commitUploadSchema,
  isCanonicalUuid,
  uploadHeartbeatSchema,
} from '@glance/common';
import { Router } from 'express';
import { methodNotAllowed } from '../http/method-not-allowed';
import { readCall } from '../http/registry-call';
import type { UploadService } from './upload-service';

/** `/v1/images/{id}/uploads…` */
export function uploadsRouter(service: UploadService): Router {
  const router = Router();

  router.param('uploadId', (_req, _res, next, uploadId: string) => {
    if (!isCanonicalUuid(uploadId)) throw new DomainError('not_found', 'No such upload');
    next();
  });

  router
    .route('/:imageId/uploads')
    .post(async (req, res) => {
      const { identity, scope } = readCall(req);
      const upload = checkAgainst(beginUploadSchema, req.body);
      res.status(201).json(await service.begin(req.params.imageId, upload, identity, scope));
    })
    .all(methodNotAllowed);

  router
    .route('/:imageId/uploads/:uploadId')
    .get(async (req, res) => {
      const { identity, scope } = readCall(req);
      const { imageId, uploadId } = req.params;
      res.json(await service.get(imageId, uploadId, identity, scope));
    })
    .put(async (req, res) => {
      const { identity, scope } = readCall(req);
      const { imageId, uploadId } = req.params;
      const beat = checkAgainst(uploadHeartbeatSchema, req.body);
      res.json(await service.heartbeat(imageId, uploadId, beat, identity, scope));
    })
    .all(methodNotAllowed);

  router
    .route('/:imageId/uploads/:uploadId/commit')
    .post(async (req, res) => {
      const { identity, scope } = readCall(req);
      const { imageId, uploadId } = req.params;
      const commit = checkAgainst(commitUploadSchema, req.body);
      res.json({ image: await service.commit(imageId, uploadId, commit, identity, scope) });
    })
    .all(methodNotAllowed);

  router
    .route('/:imageId/uploads/:uploadId/stage')
    .post(async (req, res) => {
      const { identity, scope } = readCall(req);
      const { imageId, uploadId } = req.params;
      const staged = checkAgainst(commitStagingSchema, req.body);
      res.json({ image: await service.stage(imageId, uploadId, staged, identity, scope) });
    })
    .all(methodNotAllowed);

  router
    .route('/:imageId/uploads/:uploadId/abandon')
    .post(async (req, res) => {
      const { identity, scope } = readCall(req);
      const { imageId, uploadId } = req.params;
      const abandon = checkAgainst(abandonUploadSchema, req.body);
      res.json(await service.abandon(imageId, uploadId, abandon, identity, scope));
    })
    .all(methodNotAllowed);

  return router;
}
