import {
  DomainError,
  invalidRequest,
  type Identity,
  type TaskListQuery,
  type TaskRecord,
} from '@glance/common';
import type { CallScope, TransactionRunner } from '../db/transaction';
import { projectOf } from '../images/visibility';
import type { Repositories } from '../repositories';

/** Tasks as their owner and admins see them (tasks sheet §1). */
export class TaskService {
  constructor(private readonly transactions: TransactionRunner<Repositories>) {}

  async list(query: TaskListQuery, identity: Identity, scope: CallScope): Promise<TaskRecord[]> {
    const owner = ownerSeenBy(identity);
    if (owner === null) return [];
    return await this.transactions.read(scope, async ({ tasks }) => {
      if (query.marker !== undefined) {
        const marker = await tasks.find(query.marker);
        if (!marker || (owner !== undefined && marker.owner !== owner)) {
          throw invalidRequest('The marker is no task that can be seen');
        }
      }
      return await tasks.list(query, owner);
    });
  }

  async listOf(imageId: string, identity: Identity, scope: CallScope): Promise<TaskRecord[]> {
    const owner = ownerSeenBy(identity);
    if (owner === null) return [];
    return await this.transactions.read(scope, ({ tasks }) => tasks.listOf(imageId, owner));
  }

  async get(taskId: string, identity: Identity, scope: CallScope): Promise<TaskRecord> {
    const owner = ownerSeenBy(identity);
    const task = await this.transactions.read(scope, ({ tasks }) => tasks.find(taskId));
    if (!task || owner === null || (owner !== undefined && task.owner !== owner)) {
      throw new DomainError('not_found', `No task found with ID ${taskId}`);
    }
    return task;
  }
}

/** Undefined: everybody's; null: nobody's. */
function ownerSeenBy(identity: Identity): string | null | undefined {
  return identity.isAdmin ? undefined : projectOf(identity);
}
