import { checkAgainst, timelineQuerySchema } from '@glance/common';
import { Router } from 'express';
import { methodNotAllowed } from '../http/method-not-allowed';
import { readCall, readQuery } from '../http/registry-call';
import type { TimelineService } from './timeline-service';

/** `/v1/images/{id}/timeline` */
export function timelineRouter(service: TimelineService): Router {
  const router = Router();

  router
    .route('/:imageId/timeline')
    .get(async (req, res) => {
      const { identity, scope } = readCall(req);
      const query = checkAgainst(timelineQuerySchema, readQuery(req));
      res.json({ entries: await service.list(req.params.imageId, query, identity, scope) });
    })
    .all(methodNotAllowed);

  return router;
}
