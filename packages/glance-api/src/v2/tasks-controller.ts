import {
  DomainError,
  TASK_SORT_KEYS,
  TASK_STATUSES,
  TASK_TYPES,
  invalidRequest,
  isCanonicalUuid,
  type TaskListQuery,
  type TaskRecord,
} from '@glance/common';
import type { Registry } from '@glance/registry-client';
import type { Request, RequestHandler, Response } from 'express';
import { identityOf } from '../auth/authenticate';
import { contextOf } from '../auth/call-context';
import { enforceOnImage } from '../policy/image-access';
import { newImageTarget } from '../policy/image-target';
import type { Policy } from '../policy/policy';
import { requestBaseUrl, type BaseUrlOptions } from '../versions/base-url';
import { answerJson } from './answer';
import { findImage } from './find-image';
import type { ListLimits } from './list-query';
import type { TaskCreation } from './task-creation';
import { parseTaskRequest } from './task-request';

export interface TasksControllerOptions {
  registry: Registry;
  policy: Policy;
  listLimits: ListLimits;
  creation: TaskCreation;
  baseUrl: BaseUrlOptions;
}

/** Types that a list may be asked for; others are refused (tasks sheet §1). */
const LISTED_TYPES = [...TASK_TYPES, 'api_image_import', 'location_import'];

/** Tasks as clients see them (tasks sheet §1). Each method is one route. */
export class TasksController {
  constructor(private readonly options: TasksControllerOptions) {}

  /** Tasks are for administrators, whatever the request says. */
  checkAccess: RequestHandler = (req, _res, next) => {
    const caller = identityOf(req);
    const target = newImageTarget({ owner: caller.projectId, visibility: 'private' }, caller);
    this.options.policy.enforce('tasks_api_access', caller, target);
    next();
  };

  create = async (req: Request, res: Response): Promise<void> => {
    const { registry, creation, baseUrl } = this.options;
    const taskId = await creation.begin(parseTaskRequest(req.body), req);
    res.status(201).location(`${requestBaseUrl(req, baseUrl)}/v2/tasks/${taskId}`);
    answerJson(res, taskView(await registry.getTask(taskId, contextOf(req))));
  };

  index = async (req: Request, res: Response): Promise<void> => {
    const { registry, listLimits } = this.options;
    const { searchParams } = new URL(req.originalUrl, 'http://localhost');
    const query = parseTaskQuery(searchParams, listLimits);
    const tasks = await registry.listTasks(query, contextOf(req));
    const last = tasks.at(-1);
    searchParams.delete('marker');
    answerJson(res, {
      tasks: tasks.map(listedTask),
      first: listPath(searchParams),
      schema: '/v2/schemas/tasks',
      ...(last !== undefined && tasks.length === query.limit
        ? { next: listPath(new URLSearchParams([...searchParams, ['marker', last.id]])) }
        : {}),
    });
  };

  show = async (req: Request, res: Response): Promise<void> => {
    const taskId = String(req.params['id']).toLowerCase();
    if (!isCanonicalUuid(taskId)) {
      throw new DomainError('not_found', `No task found with ID ${taskId.slice(0, 100)}`);
    }
    answerJson(res, taskView(await this.options.registry.getTask(taskId, contextOf(req))));
  };

  /** Those of one image, as their rows are (tasks sheet §1). */
  ofImage = async (req: Request, res: Response): Promise<void> => {
    const { registry, policy } = this.options;
    const image = await findImage(registry, req);
    try {
      enforceOnImage(policy, 'get_image', identityOf(req), image);
    } catch (error) {
      const text = `No image found with ID ${image.id}`;
      throw new DomainError('image_not_found', text, { cause: error });
    }
    const tasks = await registry.listImageTasks(image.id, contextOf(req));
    answerJson(res, { tasks: tasks.map(taskRow) });
  };
}

/** @throws DomainError `invalid_request` */
function parseTaskQuery(
  parameters: URLSearchParams,
  { defaultLimit, maxLimit }: ListLimits,
): TaskListQuery {
  const oneOf = <T extends string>(name: string, values: readonly T[]): T | undefined => {
    const given = parameters.get(name);
    const value = values.find((each) => each === given);
    if (given !== null && value === undefined) {
      throw invalidRequest(`${name} must be one of ${values.join(', ')}`);
    }
    return value;
  };
  const limit = parameters.get('limit');
  if (limit !== null && !/^\d{1,9}$/.test(limit)) {
    throw invalidRequest('limit param must be an integer that is not negative');
  }
  const marker = parameters.get('marker')?.toLowerCase();
  if (marker !== undefined && !isCanonicalUuid(marker))
    throw invalidRequest('Invalid marker format');
  const status = oneOf('status', TASK_STATUSES);
  const type = oneOf('type', LISTED_TYPES);
  return {
    sortKey: oneOf('sort_key', TASK_SORT_KEYS) ?? 'created_at',
    sortDirection: oneOf('sort_dir', ['asc', 'desc']) ?? 'desc',
    limit: Math.min(limit === null ? defaultLimit : Number(limit), maxLimit),
    ...(marker === undefined ? {} : { marker }),
    ...(status === undefined ? {} : { status }),
    ...(type === undefined ? {} : { type }),
  };
}

function listedTask(task: TaskRecord) {
  return {
    id: task.id,
    type: task.type,
    status: task.status,
    owner: task.owner,
    ...(task.expiresAt === null ? {} : { expires_at: `${task.expiresAt}Z` }),
    created_at: `${task.createdAt}Z`,
    updated_at: `${task.updatedAt}Z`,
    self: `/v2/tasks/${task.id}`,
    schema: '/v2/schemas/task',
  };
}

function taskView(task: TaskRecord) {
  return {
    ...listedTask(task),
    input: task.input,
    result: task.result,
    message: task.message,
    ...(task.imageId === null ? {} : { image_id: task.imageId }),
    ...(task.requestId === null ? {} : { request_id: task.requestId }),
    ...(task.userId === null ? {} : { user_id: task.userId }),
  };
}

function taskRow(task: TaskRecord) {
  const time = (at: string | null) => (at === null ? null : `${at}.000000`);
  return {
    id: task.id,
    type: task.type,
    status: task.status,
    owner: task.owner,
    input: task.input,
    result: task.result,
    message: task.message,
    image_id: task.imageId,
    request_id: task.requestId,
    user_id: task.userId,
    expires_at: time(task.expiresAt),
    created_at: time(task.createdAt),
    updated_at: time(task.updatedAt),
    deleted: task.deleted,
    deleted_at: time(task.deletedAt),
  };
}

function listPath(parameters: URLSearchParams): string {
  const query = parameters.toString();
  return query === '' ? '/v2/tasks' : `/v2/tasks?${query}`;
}
