import {
  DomainError,
  checkAgainst,
  endRemovalSchema,
  listRemovalsSchema,
  type ListRemovals,
} from '@glance/common';
import { Router } from 'express';
import { methodNotAllowed } from '../http/method-not-allowed';
import { readCall, readQuery } from '../http/registry-call';
import type { RemovalService } from './removal-service';

/** `/v1/removals` */
export function removalsRouter(service: RemovalService): Router {
  const router = Router();

  router
    .route('/')
    .get(async (req, res) => {
      const { identity, scope } = readCall(req);
      const query: ListRemovals = checkAgainst(listRemovalsSchema, readQuery(req));
      res.json({ removals: await service.list(query, identity, scope) });
    })
    .all(methodNotAllowed);

  return router;
}

/** `/v1/images/{id}/locations/{id}/removal` */
export function locationRemovalsRouter(service: RemovalService): Router {
  const router = Router();

  router
    .route('/:imageId/locations/:locationId/removal')
    .post(async (req, res) => {
      const { identity, scope } = readCall(req);
      const { imageId, locationId } = req.params;
      if (!/^\d{1,15}$/.test(locationId)) throw new DomainError('not_found', 'No such location');
      const request = checkAgainst(endRemovalSchema, req.body);
      const ended = await service.end(imageId, Number(locationId), request, identity, scope);
      res.json({ ended });
    })
    .all(methodNotAllowed);

  return router;
}
