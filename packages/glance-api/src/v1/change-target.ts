import type { ImageRecord } from '@glance/common';
import type { Caller } from '../auth/caller';
import type { PolicyTarget } from '../policy/check';
import { imageTarget, newImageTarget } from '../policy/image-target';

/**
 * What the rules are asked about a change of an image, or of its members, by v1. Here they say whether
 * a caller may do so with an image that is his to change; whose it is to change is the registry's
 * answer, which tells strangers from members and knows who may share (api-v1 sheet §2.7, §6). So a
 * caller who is no administrator stands for the owner, and for the member.
 * @param image undefined when there is none: who may not is told so whatever the id (§2.4).
 */
export function changeTarget(image: ImageRecord | undefined, caller: Caller): PolicyTarget {
  const { projectId, isAdmin } = caller;
  const whole = image
    ? imageTarget(image, caller)
    : newImageTarget({ owner: projectId, visibility: 'shared' }, caller);
  const stands = new Set(isAdmin ? ['member_id'] : ['member_id', 'owner', 'project_id']);
  return {
    has: (field) => stands.has(field) || whole.has(field),
    get: (field) => (stands.has(field) ? projectId : whole.get(field)),
  };
}
