import { checkAgainst, claimSweepSchema } from '@glance/common';
import { Router } from 'express';
import { methodNotAllowed } from '../http/method-not-allowed';
import { readCall } from '../http/registry-call';
import type { SweepService } from './sweep-service';

/** `/v1/sweeps/claim` */
export function sweepsRouter(service: SweepService): Router {
  const router = Router();

  router
    .route('/claim')
    .post(async (req, res) => {
      const { identity, scope } = readCall(req);
      const request = checkAgainst(claimSweepSchema, req.body);
      res.json({ claimed: await service.claim(request, identity, scope) });
    })
    .all(methodNotAllowed);

  return router;
}
