import {
  checkAgainst,
  createImageSchema,
  imageListQuerySchema,
  recordHashesSchema,
  setImageStatusSchema,
  updateImageSchema,
  type ImageListQuery,
} from '@glance/common';
import { noteImage, sendJson } from '@glance/service-kit';
import { Router } from 'express';
import { methodNotAllowed } from '../http/method-not-allowed';
import { readCall, readQuery } from '../http/registry-call';
import type { ImageService } from './image-service';

/** `/v1/images`, `/v1/images/{id}`, `/v1/images/{id}/status`, `/v1/images/{id}/hashes` */
export function imagesRouter(service: ImageService): Router {
  const router = Router();

  router
    .route('/')
    .get(async (req, res) => {
      const { identity, scope } = readCall(req);
      const query: ImageListQuery = checkAgainst(imageListQuerySchema, readQuery(req));
      sendJson(res, { images: await service.list(query, identity, scope) });
    })
    .post(async (req, res) => {
      const { identity, scope } = readCall(req);
      const request = checkAgainst(createImageSchema, req.body);
      const created = await service.create(request, identity, scope);
      noteImage(created.image.id);
      res.status(201).json(created);
    })
    .all(methodNotAllowed);

  router
    .route('/:imageId')
    .get(async (req, res) => {
      const { identity, scope } = readCall(req);
      sendJson(res, { image: await service.get(req.params.imageId, identity, scope) });
    })
    .patch(async (req, res) => {
      const { identity, scope } = readCall(req);
      const request = checkAgainst(updateImageSchema, req.body);
      res.json({ image: await service.update(req.params.imageId, request, identity, scope) });
    })
    .all(methodNotAllowed);

  router
    .route('/:imageId/status')
    .put(async (req, res) => {
      const { identity, scope } = readCall(req);
      const request = checkAgainst(setImageStatusSchema, req.body);
      res.json({ image: await service.setStatus(req.params.imageId, request, identity, scope) });
    })
    .all(methodNotAllowed);

  router
    .route('/:imageId/hashes')
    .put(async (req, res) => {
      const { identity, scope } = readCall(req);
      const request = checkAgainst(recordHashesSchema, req.body);
      const { imageId } = req.params;
      res.json({ recorded: await service.recordHashes(imageId, request, identity, scope) });
    })
    .all(methodNotAllowed);

  return router;
}
