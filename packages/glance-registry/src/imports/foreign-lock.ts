import { DomainError, IMPORT_PROPERTIES } from '@glance/common';
import type { Repositories } from '../repositories';

/** How long upstream believes in a lock whose task does not move, in minutes (tasks sheet §6). */
const STALE_MINUTES = { pending: 120, other: 60 };

/**
 * An upstream that ran on this database before may have left its lock of the image. One whose task
 * may still run is respected; any other is taken away, and its task has failed.
 * @throws DomainError `conflict`
 */
export async function releaseForeignLock(
  { properties, tasks }: Repositories,
  imageId: string,
): Promise<void> {
  const taskId = await properties.valueOf(imageId, IMPORT_PROPERTIES.task);
  if (taskId === undefined) return;
  const task = taskId === null ? undefined : await tasks.find(taskId);
  if (task && (task.status === 'pending' || task.status === 'processing')) {
    const minutes = task.status === 'pending' ? STALE_MINUTES.pending : STALE_MINUTES.other;
    if (!(await tasks.isUntouchedFor(task.id, minutes * 60))) {
      throw new DomainError('conflict', 'Image has active task', { details: { imageId } });
    }
    const message = 'Expired lock preempted';
    await tasks.end(task.id, { status: 'failure', message, timeToLiveHours: 48 });
  }
  await properties.erase(imageId, IMPORT_PROPERTIES.task);
}
