import type { ClaimCopy } from '@glance/common';
import type { FakeCopy, FakeImage } from './fake-image';

const LONGEST_RETRY_SECONDS = 3600;

/** The copies that may be claimed, the one that has been due for longest first. */
export function dueCopies(
  images: Iterable<FakeImage>,
  nowMs: number,
  { imageId, withChecks }: Pick<ClaimCopy, 'imageId' | 'withChecks'>,
): { image: FakeImage; copy: FakeCopy }[] {
  return [...images]
    .filter(({ record }) => record.status === 'queued' && [undefined, record.id].includes(imageId))
    .flatMap((image) => (image.copy === null ? [] : [{ image, copy: image.copy }]))
    .filter(({ copy }) => copy.nextAttemptMs <= nowMs && (!copy.check || withChecks === true))
    .sort((a, b) => a.copy.nextAttemptMs - b.copy.nextAttemptMs);
}

export function beginAttempt(
  copy: FakeCopy,
  { retrySeconds, maxAttempts }: ClaimCopy,
  nowMs: number,
): void {
  const seconds = Math.min(retrySeconds * 2 ** copy.attempts, LONGEST_RETRY_SECONDS);
  copy.attempts += 1;
  copy.isLastAttempt = copy.attempts >= maxAttempts;
  copy.nextAttemptMs = nowMs + seconds * 1_000;
}
