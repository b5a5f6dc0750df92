import type { RuleText } from './rule-set';

interface DefaultRule {
  rule: string;
  /** What it decides, for the sample file. */
  help: string;
}

const ANYONE = '';
/** Whoever has `admin_role` or passes the rule `context_is_admin`. */
const ADMIN = 'is_admin:True';

/** The actions of API v1 that a rule decides (api-v1 sheet §8). */
const ACTIONS = {
  get_images: { rule: ANYONE, help: 'List images, with or without details.' },
  get_image: { rule: ANYONE, help: 'Show an image; also needed to download it.' },
  download_image: {
    rule: ANYONE,
    help: 'Download the data of an image. May ask for its fields and properties: %(owner)s.',
  },
  add_image: { rule: ANYONE, help: 'Create an image, with or without data.' },
  modify_image: { rule: ANYONE, help: 'Change an image of which one is the owner.' },
  delete_image: { rule: ANYONE, help: 'Delete an image of which one is the owner.' },
  publicize_image: { rule: ADMIN, help: 'Create or change a public image.' },
  communitize_image: { rule: ANYONE, help: 'Create or change a community image.' },
  download_from_store: { rule: ANYONE, help: 'Name stores to download from.' },
  deactivate: { rule: ANYONE, help: 'Take the data of an image from its users.' },
  reactivate: { rule: ANYONE, help: 'Give the data of an image back to its users.' },
  get_member: { rule: ANYONE, help: 'Show one member of an image.' },
  add_member: { rule: ANYONE, help: 'Share an image with a project.' },
  get_image_location: { rule: ANYONE, help: 'Know where the data of an image is.' },
  delete_image_location: { rule: ADMIN, help: 'Remove a place of image data.' },
  add_image_location: { rule: ANYONE, help: 'Name a place of image data.' },
  fetch_image_location: { rule: ADMIN, help: 'List the places of image data.' },
  stores_info_detail: { rule: ADMIN, help: 'List stores with their details.' },
  upload_image: { rule: ANYONE, help: 'Send the data of an image.' },
  copy_from: { rule: ANYONE, help: 'Have the data of an image fetched from a URL.' },
  set_image_location: { rule: ANYONE, help: 'Register an image whose data stays at a URL.' },
  get_members: { rule: ANYONE, help: 'List with whom an image is shared.' },
  modify_member: { rule: ANYONE, help: 'Share an image.' },
  delete_member: { rule: ANYONE, help: 'End the sharing of an image.' },
  manage_image_cache: { rule: ADMIN, help: 'List and change what the image cache holds.' },
} as const satisfies Record<string, DefaultRule>;

export type PolicyAction = keyof typeof ACTIONS;

/** Rules that others are made of: some that files written for upstream take for given. */
function sharedRules(adminRole: string): Record<string, DefaultRule> {
  return {
    context_is_admin: {
      rule: `role:${adminRole.trim()}`,
      help: 'Who is an administrator, beside the holders of admin_role.',
    },
    default: { rule: ADMIN, help: 'What has no rule of its own (policy_default_rule).' },
    service_api: { rule: `role:service or ${ADMIN}`, help: 'Other services.' },
    metadef_default: { rule: ANYONE, help: 'Read metadata definitions.' },
    metadef_admin: { rule: ADMIN, help: 'Change metadata definitions.' },
  };
}

/**
 * The rules that hold where the operator's files say nothing. What is `role:admin` in the sheet asks
 * for an administrator here, so that another `admin_role` means the same everywhere.
 */
export function defaultRules(adminRole: string): RuleText[] {
  return Object.entries({ ...sharedRules(adminRole), ...ACTIONS }).map(([name, { rule }]) => ({
    name,
    text: rule,
    origin: 'built in',
  }));
}

/** A policy file in which every rule is a comment with its default. */
export function renderPolicySample(): string {
  const rules: [string, DefaultRule][] = Object.entries({ ...sharedRules('admin'), ...ACTIONS });
  const lines = rules.map(([name, { rule, help }]) => `# ${help}\n#"${name}": "${rule}"\n`);
  return `# Policy rules of glance-api, generated: npm run docs:config
#
# "" and "@" let everybody pass, "!" nobody. role:NAME, rule:NAME, ATTRIBUTE:VALUE and 'TEXT':%(FIELD)s are
# joined by not, and, or and parentheses. Attributes of the caller: user_id, project_id, roles, is_admin,
# user_domain_id, project_domain_id, is_admin_project, service_roles, read_only.

${lines.join('\n')}`;
}
