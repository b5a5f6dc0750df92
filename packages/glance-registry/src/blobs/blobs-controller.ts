import { checkAgainst, judgeBlobsSchema } from '@glance/common';
import { Router } from 'express';
import { methodNotAllowed } from '../http/method-not-allowed';
import { readCall } from '../http/registry-call';
import type { BlobService } from './blob-service';

/** `/v1/blobs/judge` */
export function blobsRouter(service: BlobService): Router {
  const router = Router();

  router
    .route('/judge')
    .post(async (req, res) => {
      const { identity, scope } = readCall(req);
      const request = checkAgainst(judgeBlobsSchema, req.body);
      res.json({ unowned: await service.judge(request, identity, scope) });
    })
    .all(methodNotAllowed);

  return router;
}
