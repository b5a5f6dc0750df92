import { DomainError, checkAgainst, isCanonicalUuid, taskListQuerySchema } from '@glance/common';
import { Router } from 'express';
import { methodNotAllowed } from '../http/method-not-allowed';
import { readCall, readQuery } from '../http/registry-call';
import type { TaskService } from './task-service';

/** `/v1/tasks…` */
export function tasksRouter(service: TaskService): Router {
  const router = Router();

  router
    .route('/')
    .get(async (req, res) => {
      const { identity, scope } = readCall(req);
      const query = checkAgainst(taskListQuerySchema, readQuery(req));
      res.json({ tasks: await service.list(query, identity, scope) });
    })
    .all(methodNotAllowed);

  router
    .route('/:taskId')
    .get(async (req, res) => {
      const { identity, scope } = readCall(req);
      const { taskId } = req.params;
      if (!isCanonicalUuid(taskId)) throw new DomainError('not_found', 'No such task');
      res.json({ task: await service.get(taskId, identity, scope) });
    })
    .all(methodNotAllowed);

  return router;
}

/** `/v1/images/{id}/tasks` */
export function imageTasksRouter(service: TaskService): Router {
  const router = Router();

  router
    .route('/:imageId/tasks')
    .get(async (req, res) => {
      const { identity, scope } = readCall(req);
      res.json({ tasks: await service.listOf(req.params.imageId, identity, scope) });
    })
    .all(methodNotAllowed);

  return router;
}
