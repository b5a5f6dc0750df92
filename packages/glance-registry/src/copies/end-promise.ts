import type { Repositories } from '../repositories';

/** Whoever gives the image its data otherwise has said that it does not come from there. */
export const SUPERSEDED = { failure: 'The image got its data otherwise' } as const;

/**
 * Forgets the copy or check that was promised to an image, if one was, and ends the task that showed
 * it. The image is locked.
 */
export async function endPromise(
  { copies, tasks }: Repositories,
  imageId: string,
  how: 'success' | { failure: string },
): Promise<void> {
  const task = await copies.taskOf(imageId);
  if (task === undefined) return;
  await copies.forget(imageId);
  if (task === null) return;
  const { taskId, timeToLiveHours } = task;
  await tasks.end(
    taskId,
    how === 'success'
      ? { status: how, result: { image_id: imageId }, timeToLiveHours }
      : { status: 'failure', message: how.failure, timeToLiveHours },
  );
}
