import {
  checkAgainst,
  judgeBlobsSchema,
  listProjectsSchema,
  type ListProjects,
} from '@glance/common';
import { Router } from 'express';
import { methodNotAllowed } from '../http/method-not-allowed';
import { readCall, readQuery } from '../http/registry-call';
import type { BlobService } from './blob-service';

/** `/v1/blobs/judge`, `/v1/blobs/projects` */
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

  router
    .route('/projects')
    .get(async (req, res) => {
      const { identity, scope } = readCall(req);
      const query: ListProjects = checkAgainst(listProjectsSchema, readQuery(req));
      res.json({ projects: await service.listProjects(query, identity, scope) });
    })
    .all(methodNotAllowed);

  return router;
}
