import {
  invalidRequest,
  type Identity,
  type TaskListQuery,
  type TaskRecord,
  type TaskSortKey,
} from '@glance/common';

const KEYS: Readonly<Record<TaskSortKey, (task: TaskRecord) => string>> = {
  created_at: ({ createdAt }) => createdAt,
  updated_at: ({ updatedAt }) => updatedAt,
  expires_at: ({ expiresAt }) => expiresAt ?? '',
  id: ({ id }) => id,
  type: ({ type }) => type,
  status: ({ status }) => status,
  owner: ({ owner }) => owner,
};

/** Copies of the tasks that the caller sees. */
export function visibleTasks(tasks: Iterable<TaskRecord>, identity: Identity): TaskRecord[] {
  const seen = [...tasks].filter(
    ({ owner }) => identity.isAdmin || (owner !== '' && owner === identity.projectId),
  );
  return structuredClone(seen);
}

/** @throws DomainError `invalid_request` for a marker that is not seen */
export function listFakeTasks(
  tasks: Iterable<TaskRecord>,
  { status, type, sortKey, sortDirection, marker, limit }: TaskListQuery,
  identity: Identity,
): TaskRecord[] {
  const textOf = (task: TaskRecord): string => `${KEYS[sortKey](task)} ${task.id}`;
  const sign = sortDirection === 'asc' ? 1 : -1;
  const found = visibleTasks(tasks, identity)
    .sort((a, b) => (textOf(a) < textOf(b) ? -sign : sign))
    .filter((task) => status === undefined || task.status === status)
    .filter((task) => type === undefined || task.type === type);
  if (marker === undefined) return found.slice(0, limit);
  const at = found.findIndex(({ id }) => id === marker);
  if (at < 0) throw invalidRequest('The marker is no task that can be seen');
  return found.slice(at + 1, at + 1 + limit);
}
