import { beginDeletionSchema, checkAgainst, claimDeletionSchema } from '@glance/common';
import { Router } from 'express';
import { methodNotAllowed } from '../http/method-not-allowed';
import { readCall } from '../http/registry-call';
import type { DeletionService } from './deletion-service';

/** `/v1/images/{id}/deletion…` */
export function deletionsRouter(service: DeletionService): Router {
  const router = Router();

  router
    .route('/:imageId/deletion')
    .post(async (req, res) => {
      const { identity, scope } = readCall(req);
      const request = checkAgainst(beginDeletionSchema, req.body);
      res.status(201).json(await service.begin(req.params.imageId, request, identity, scope));
    })
    .all(methodNotAllowed);

  router
    .route('/:imageId/deletion/finish')
    .post(async (req, res) => {
      const { identity, scope } = readCall(req);
      res.json({ image: await service.finish(req.params.imageId, identity, scope) });
    })
    .all(methodNotAllowed);

  router
    .route('/:imageId/deletion/revert')
    .post(async (req, res) => {
      const { identity, scope } = readCall(req);
      res.json({ image: await service.revert(req.params.imageId, identity, scope) });
    })
    .all(methodNotAllowed);

  router
    .route('/:imageId/deletion/release')
    .post(async (req, res) => {
      const { identity, scope } = readCall(req);
      res.json({ released: await service.release(req.params.imageId, identity, scope) });
    })
    .all(methodNotAllowed);

  router
    .route('/:imageId/deletion/restore')
    .post(async (req, res) => {
      const { identity, scope } = readCall(req);
      res.json({ image: await service.restore(req.params.imageId, identity, scope) });
    })
    .all(methodNotAllowed);

  return router;
}

/** `/v1/deletions/claim` */
export function waitingDeletionsRouter(service: DeletionService): Router {
  const router = Router();

  router
    .route('/claim')
    .post(async (req, res) => {
      const { identity, scope } = readCall(req);
      const request = checkAgainst(claimDeletionSchema, req.body);
      res.json({ deletion: await service.claim(request, identity, scope) });
    })
    .all(methodNotAllowed);

  return router;
}
