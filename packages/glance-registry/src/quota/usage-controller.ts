import { Router } from 'express';
import { methodNotAllowed } from '../http/method-not-allowed';
import { readCall } from '../http/registry-call';
import type { UsageService } from './usage-service';

/** `/v1/quota-usage`: of the caller's project */
export function usageRouter(service: UsageService): Router {
  const router = Router();
  router
    .route('/')
    .get(async (req, res) => {
      const { identity, scope } = readCall(req);
      res.json({ usage: await service.get(identity, scope) });
    })
    .all(methodNotAllowed);
  return router;
}
