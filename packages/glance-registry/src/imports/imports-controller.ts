import { beginImportSchema, checkAgainst, claimImportSchema } from '@glance/common';
import { Router } from 'express';
import { methodNotAllowed } from '../http/method-not-allowed';
import { readCall } from '../http/registry-call';
import type { ImportService } from './import-service';

/** `/v1/imports/claim` */
export function importsRouter(service: ImportService): Router {
  const router = Router();

  router
    .route('/claim')
    .post(async (req, res) => {
      const { identity, scope } = readCall(req);
      const request = checkAgainst(claimImportSchema, req.body);
      res.json({ claimed: await service.claim(request, identity, scope) });
    })
    .all(methodNotAllowed);

  return router;
}

/** `/v1/images/{id}/import` */
export function imageImportRouter(service: ImportService): Router {
  const router = Router();

  router
    .route('/:imageId/import')
    .post(async (req, res) => {
      const { identity, scope } = readCall(req);
      const request = checkAgainst(beginImportSchema, req.body);
      const task = await service.begin(req.params.imageId, request, identity, scope);
      res.status(202).json({ task });
    })
    .all(methodNotAllowed);

  return router;
}
