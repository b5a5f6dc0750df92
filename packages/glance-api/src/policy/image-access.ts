import { DomainError, type ImageRecord } from '@glance/common';
import type { Caller } from '../auth/caller';
import type { PolicyTarget } from './check';
import type { PolicyAction } from './default-rules';
import { imageTarget } from './image-target';
import { notAuthorized, type Policy } from './policy';

/**
 * Refuses what the rules do not let the caller do with an image that he was shown. To whom the image
 * may not be shown either it does not exist (api-v2 sheet §13.5); what its own rule permits needs no
 * `get_image` beside.
 * @param target what `action` is about, when that is more than the image: a membership of it.
 * @throws DomainError `forbidden`, or `image_not_found`.
 */
export function enforceOnImage(
  policy: Policy,
  action: PolicyAction,
  caller: Caller,
  image: ImageRecord,
  target?: PolicyTarget,
): void {
  const whole = imageTarget(image, caller);
  if (policy.permits(action, caller, target ?? whole)) return;
  if (!policy.permits('get_image', caller, whole)) {
    throw new DomainError('image_not_found', `No image found with ID ${image.id}`, {
      details: { imageId: image.id },
    });
  }
  throw notAuthorized(action);
}
