import {
  DomainError,
  type ExternalData,
  type ProjectLimits,
  type TaskOfImage,
} from '@glance/common';
import { endPromise, SUPERSEDED } from '../copies/end-promise';
import { sqlText } from '../db/sql';
import { Accounts, countedBytes } from '../quota/accounts';
import { checkBytes, checkUploading } from '../quota/check-limits';
import type { Repositories } from '../repositories';
import type { NewTask } from '../tasks/task-repository';

/**
 * Gives a `queued` image that this transaction holds its data: a location that makes it active, or
 * the promise of a copy or a check, which takes the place of one before.
 * @returns whether the image is active now.
 * @throws DomainError `quota_exceeded`; `conflict` when the image is not `queued`.
 */
export async function attachExternalData(
  repositories: Repositories,
  imageId: string,
  owner: string | null,
  { location, copyFrom, register }: ExternalData,
  limits: ProjectLimits | undefined,
): Promise<boolean> {
  const data = location ?? copyFrom ?? register;
  if (!data) return false;
  const { images, locations, copies, tasks, usage } = repositories;
  const accounts = await Accounts.open(usage, [owner]);
  checkBytes(accounts.usageOf(owner), data.sizeBytes ?? 0, data.storageQuotaBytes, limits);
  if (copyFrom) {
    await checkUploading(repositories, owner, imageId, limits);
    await endPromise(repositories, imageId, SUPERSEDED);
    await copies.put(imageId, copyFrom);
    return false;
  }
  if (register) {
    await endPromise(repositories, imageId, SUPERSEDED);
    await copies.putCheck(imageId, register);
    if (register.task) await tasks.insert(newTask(imageId, register.task));
    return false;
  }
  if (!location) return false;
  const { sizeBytes, hash, task } = location;
  const activated = await images.transition(imageId, ['queued'], 'active', {
    columns: {
      size: sizeBytes,
      ...(hash ? { os_hash_algo: hash.algorithm, os_hash_value: hash.value } : {}),
    },
    when: sqlText('images.deleted = 0'),
  });
  if (!activated) {
    throw new DomainError('conflict', 'Image operation conflicts', { details: { imageId } });
  }
  await endPromise(repositories, imageId, SUPERSEDED);
  await locations.insert(imageId, location);
  await accounts.add(owner, { usedBytes: countedBytes({ status: 'active', size: sizeBytes }, 1) });
  if (task) {
    await tasks.insert(newTask(imageId, task));
    const { taskId, timeToLiveHours } = task;
    await tasks.end(taskId, { status: 'success', result: { image_id: imageId }, timeToLiveHours });
  }
  return true;
}

function newTask(imageId: string, task: TaskOfImage): NewTask {
  return { ...task, id: task.taskId, type: 'location_import', imageId };
}
