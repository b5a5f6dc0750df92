import { DomainError, checkCountQuota, type CreateImageRequest } from '@glance/common';
import type { CallContext } from '@glance/registry-client';
import type { Caller } from '../auth/caller';
import type { PropertyDefinitions } from '../images/property-definitions';
import { imageLimits, type LimitSource } from '../limits/project-limits';
import { newImageTarget } from '../policy/image-target';
import type { Policy } from '../policy/policy';
import type { PropertyAccess } from '../policy/property-access';
import { checkReadOnlyFields, visibilityAction, type NewImageBody } from './new-image';

export interface ImageCreationOptions {
  policy: Policy;
  properties: PropertyAccess;
  definitions: PropertyDefinitions;
  limits: LimitSource;
  /** Null for no limit. */
  propertyQuota: number | null;
  /** Null for no limit. */
  tagQuota: number | null;
}

/** What a caller must be allowed to make an image (api-v2 sheet §3, steps 5 to 12). */
export class ImageCreation {
  constructor(private readonly options: ImageCreationOptions) {}

  /**
   * @returns what the registry is to be asked for
   * @throws DomainError `forbidden`, `quota_exceeded`, `invalid_request`
   */
  async admit(
    body: NewImageBody,
    caller: Caller,
    context: CallContext,
  ): Promise<CreateImageRequest> {
    const { policy, properties, tagQuota, propertyQuota } = this.options;
    const { image } = body;
    checkOwner(image.owner, caller);
    const target = newImageTarget(
      { owner: image.owner ?? caller.projectId, visibility: image.visibility ?? 'shared' },
      caller,
    );
    policy.enforce('add_image', caller, target);
    const action = visibilityAction(image.visibility);
    if (action !== undefined) policy.enforce(action, caller, target);
    properties.checkCreate(image.properties, caller);
    checkCountQuota('image tags', image.tags.length, tagQuota);
    checkReadOnlyFields(body);
    checkCountQuota('image properties', image.properties.length, propertyQuota);
    await this.options.definitions.check(image.properties, context);
    const owner = image.owner === undefined ? caller.projectId : image.owner;
    const limits = await imageLimits(this.options.limits, owner);
    return { image: { ...image, tags: [...new Set(image.tags)] }, ...limits };
  }
}

function checkOwner(owner: string | null | undefined, caller: Caller): void {
  if (owner === undefined || caller.isAdmin || owner === caller.projectId) return;
  throw new DomainError(
    'forbidden',
    `You are not permitted to create images owned by '${owner ?? 'None'}'`,
  );
}
