import { randomUUID } from 'node:crypto';
import type { TaskOfImage } from '@glance/common';
import type { Request } from 'express';
import { identityOf } from '../auth/authenticate';
import { contextOf } from '../auth/call-context';

/** A new task of the caller's project; its columns are shorter than what a request may hold. */
export function taskOfImage(
  req: Request,
  timeToLiveHours: number,
  input: Record<string, unknown>,
): TaskOfImage {
  const { userId, projectId } = identityOf(req);
  return {
    taskId: randomUUID(),
    owner: projectId ?? '',
    userId: userId?.slice(0, 64) ?? null,
    requestId: contextOf(req).requestId.slice(0, 64),
    timeToLiveHours,
    input,
  };
}
