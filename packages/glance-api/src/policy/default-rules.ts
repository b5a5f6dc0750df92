import type { RuleText } from './rule-set';

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
  'manage_image_cache',
] as const;

export type PolicyAction = (typeof POLICY_ACTIONS)[number];

const ANYONE = '';
/** Whoever has `admin_role` or passes the rule `context_is_admin`. */
const ADMIN = 'is_admin:True';

const ACTION_RULES: Readonly<Record<PolicyAction, string>> = {
  get_images: ANYONE,
  get_image: ANYONE,
  download_image: ANYONE,
  add_image: ANYONE,
  modify_image: ANYONE,
  delete_image: ANYONE,
  publicize_image: ADMIN,
  copy_from: ANYONE,
  upload_image: ANYONE,
  set_image_location: ANYONE,
  get_members: ANYONE,
  modify_member: ANYONE,
  delete_member: ANYONE,
  manage_image_cache: ADMIN,
};

/** Rules that files written for upstream refer to without always defining them. */
const SHARED_RULES = {
  default: ADMIN,
  service_api: `role:service or ${ADMIN}`,
  metadef_default: ANYONE,
  metadef_admin: ADMIN,
};

/**
 * The rules that hold where the operator's files say nothing. What is `role:admin` in the sheet asks
 * for an administrator here, so that another `admin_role` means the same everywhere.
 */
export function defaultRules(adminRole: string): RuleText[] {
  const rules = {
    context_is_admin: `role:${adminRole.trim()}`,
    ...SHARED_RULES,
    ...ACTION_RULES,
  };
  return Object.entries(rules).map(([name, text]) => ({ name, text, origin: 'built in' }));
}
