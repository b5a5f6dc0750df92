import { checkAgainst, reportDownloadsSchema } from '@glance/common';
import { Router } from 'express';
import { methodNotAllowed } from '../http/method-not-allowed';
import { readCall } from '../http/registry-call';
import type { DownloadService } from './download-service';

/** `/v1/downloads` */
export function downloadsRouter(service: DownloadService): Router {
  const router = Router();

  router
    .route('/')
    .post(async (req, res) => {
      const { identity, scope } = readCall(req);
      const request = checkAgainst(reportDownloadsSchema, req.body);
      res.json({ wanted: await service.report(request, identity, scope) });
    })
    .all(methodNotAllowed);

  return router;
}
