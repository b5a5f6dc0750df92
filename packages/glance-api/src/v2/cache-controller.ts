import { DomainError } from '@glance/common';
import type { Registry } from '@glance/registry-client';
import type { RequestHandler } from 'express';
import { identityOf } from '../auth/authenticate';
import type { PolicyAction } from '../policy/default-rules';
import { imageTarget } from '../policy/image-target';
import type { Policy } from '../policy/policy';
import { findImage } from './find-image';

export interface CacheControllerOptions {
  registry: Registry;
  policy: Policy;
}

/**
 * Management of the image cache (api-v2 sheet 10.5), which this release does not have: whoever may
 * manage it is told so.
 */
export class CacheController {
  constructor(private readonly options: CacheControllerOptions) {}

  /** Routes about the cache as a whole, and those that upstream answers before it seeks the image. */
  readonly of = (action: PolicyAction): RequestHandler => {
    return (req) => {
      this.options.policy.enforce(action, identityOf(req));
      throw noCache();
    };
  };

  /** Routes about one image: it is sought before the policy is asked. */
  readonly ofImage = (action: PolicyAction): RequestHandler => {
    return async (req) => {
      const { registry, policy } = this.options;
      const caller = identityOf(req);
      const image = await findImage(registry, req);
      policy.enforce(action, caller, imageTarget(image, caller));
      throw noCache();
    };
  };
}

function noCache(): DomainError {
  return new DomainError('not_found', 'Caching via API is not supported at this site.');
}
