import type { ImageRecord } from '@glance/common';
import type { Caller } from '../auth/caller';
import type { PolicyAction } from './default-rules';
import type { Policy } from './policy';

/** @throws DomainError `forbidden`. */
export function enforceOnImage(
  policy: Policy,
  action: PolicyAction,
  caller: Caller,
  _image: ImageRecord,
): void {
  policy.enforce(action, caller);
}

export function isPermittedOnImage(
  policy: Policy,
  action: PolicyAction,
  caller: Caller,
  _image: ImageRecord,
): boolean {
  return policy.permits(action, caller);
}
