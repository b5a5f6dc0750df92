import { DomainError, type Identity } from '@glance/common';

/** The actions of API v1 that a rule decides (api-v1 sheet §8). */
export const POLICY_ACTIONS = [
  'get_images',
  'get_image',
  'download_image',
  'add_image',
  'modify_image',
  'delete_image',
  'publicize_image',
  'copy_from',
  'upload_image',
  'set_image_location',
  'get_members',
  'modify_member',
  'delete_member',
] as const;

export type PolicyAction = (typeof POLICY_ACTIONS)[number];

/** Decides from the caller's roles alone; who owns what is decided by the registry. */
export class Policy {
  private readonly rules: Readonly<Record<PolicyAction, (identity: Identity) => boolean>> = {
    get_images: anyone,
    get_image: anyone,
    download_image: anyone,
    add_image: anyone,
    modify_image: anyone,
    delete_image: anyone,
    publicize_image: admin,
    copy_from: anyone,
    upload_image: anyone,
    set_image_location: anyone,
    get_members: anyone,
    modify_member: anyone,
    delete_member: anyone,
  };

  /** @throws DomainError `forbidden`. */
  enforce(action: PolicyAction, identity: Identity): void {
    if (!this.rules[action](identity)) {
      throw new DomainError('forbidden', `You are not authorized to complete ${action} action.`, {
        details: { action },
      });
    }
  }
}

function anyone(): boolean {
  return true;
}

function admin(identity: Identity): boolean {
  return identity.isAdmin;
}
