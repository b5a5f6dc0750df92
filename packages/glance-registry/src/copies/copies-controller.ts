import { checkAgainst, claimCopySchema } from '@glance/common';
import { Router } from 'express';
import { methodNotAllowed } from '../http/method-not-allowed';
import { readCall } from '../http/registry-call';
import type { CopyService } from './copy-service';

/** `/v1/copies/claim` */
export function copiesRouter(service: CopyService): Router {
  const router = Router();

  router
    .route('/claim')
    .post(async (req, res) => {
      const { identity, scope } = readCall(req);
      const request = checkAgainst(claimCopySchema, req.body);
      res.json({ copy: await service.claim(request, identity, scope) });
    })
    .all(methodNotAllowed);

  return router;
}

/** `/v1/images/{id}/uploads/{id}/copy-source` */
export function copySourcesRouter(service: CopyService): Router {
  const router = Router();

  router
    .route('/:imageId/uploads/:uploadId/copy-source')
    .get(async (req, res) => {
      const { identity, scope } = readCall(req);
      const { imageId, uploadId } = req.params;
      res.json({ sourceUrl: await service.sourceOf(imageId, uploadId, identity, scope) });
    })
    .all(methodNotAllowed);

  return router;
}
