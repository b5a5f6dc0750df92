import { METADEF_ACTIONS } from './metadef-rules';
import type { RuleText } from './rule-set';

export interface DefaultRule {
  rule: string;
  /** What the rule said before roles had meanings: it holds as well without `enforce_new_defaults`. */
  formerly?: string;
  /** What it decides, for the sample file. */
  help: string;
}

const ANYONE = '@';
/** Whoever has `admin_role` or passes the rule `context_is_admin`. */
const ADMIN = 'is_admin:True';
const OWN = 'project_id:%(project_id)s';
/** The image is shared with the caller's project, or the membership asked for is that project's. */
const SHARED_WITH = 'project_id:%(member_id)s';
const OPEN = `'public':%(visibility)s or 'community':%(visibility)s`;
const READABLE = `${OWN} or ${SHARED_WITH} or ${OPEN} or 'shared':%(visibility)s`;
/** A caller without credentials, where `allow_anonymous_access` lets him in. */
const ANONYMOUS = 'read_only:True';

const ADMIN_OR_OWNING_MEMBER = `${ADMIN} or (role:member and ${OWN})`;
const ADMIN_OR_OWNING_READER = `${ADMIN} or (role:reader and ${OWN})`;
const DOWNLOAD = `${ADMIN} or (role:member and (${READABLE})) or (${ANONYMOUS} and (${OPEN}))`;
const SERVICE = 'rule:service_api';

/**
 * What a rule decides, and who may by default (api-v2 sheet §13.2); one set for all versions of the
 * API. Where upstream's old rule let anyone pass and a check of the owner followed, `formerly` holds
 * that check (§13.4).
 */
const ACTIONS = {
  get_images: {
    // The project listed for is always the caller's own.
    rule: `${ADMIN} or role:reader or ${ANONYMOUS}`,
    formerly: ANYONE,
    help: 'List images. With allow_anonymous_access also for callers without credentials (read_only).',
  },
  get_image: {
    rule: `${ADMIN} or (role:reader and (${READABLE})) or (${ANONYMOUS} and (${OPEN}))`,
    formerly: ANYONE,
    help: 'Show an image. Who may not is told by API v2 that there is none.',
  },
  download_image: {
    rule: DOWNLOAD,
    formerly: ANYONE,
    help: 'Download the data of an image; API v1 asks get_image too.',
  },
  download_from_store: {
    rule: DOWNLOAD,
    help: 'Say from which store the data of an image is downloaded.',
  },
  add_image: {
    rule: `${ADMIN} or (role:member and ${OWN} and project_id:%(owner)s)`,
    formerly: ANYONE,
    help: 'Create an image, with or without data.',
  },
  modify_image: {
    rule: ADMIN_OR_OWNING_MEMBER,
    formerly: OWN,
    help: 'Change an image: fields, properties and tags.',
  },
  delete_image: { rule: ADMIN_OR_OWNING_MEMBER, formerly: OWN, help: 'Delete an image.' },
  publicize_image: { rule: ADMIN, help: 'Create a public image, or make one public.' },
  communitize_image: {
    rule: ADMIN_OR_OWNING_MEMBER,
    formerly: ANYONE,
    help: 'Create a community image, or make one so.',
  },
  upload_image: {
    rule: ADMIN_OR_OWNING_MEMBER,
    formerly: OWN,
    help: 'Send the data of an image.',
  },
  copy_from: {
    rule: ADMIN_OR_OWNING_MEMBER,
    formerly: ANYONE,
    help: 'API v1: have the data of an image fetched from a URL; upload_image is asked too.',
  },
  get_image_location: {
    rule: ADMIN_OR_OWNING_READER,
    formerly: ANYONE,
    help: 'Learn where a copy of the data is, to remove it from a store.',
  },
  set_image_location: {
    rule: ADMIN_OR_OWNING_MEMBER,
    formerly: OWN,
    help: 'Register a URL where the data of an image is, or change the list of them.',
  },
  delete_image_location: {
    rule: ADMIN,
    formerly: OWN,
    help: 'Remove one of the places where the data of an image is.',
  },
  add_image_location: {
    rule: `${SERVICE} or (role:member and ${OWN} and project_id:%(owner)s)`,
    help: 'Add a location by POST …/locations.',
  },
  fetch_image_location: { rule: SERVICE, help: 'Read locations by GET …/locations.' },
  add_member: {
    rule: ADMIN_OR_OWNING_MEMBER,
    formerly: OWN,
    help: 'Share an image with a project. By API v1 a member who may share stands for the owner.',
  },
  get_member: {
    rule: `${ADMIN} or (role:reader and (${OWN} or ${SHARED_WITH}))`,
    formerly: ANYONE,
    help: 'See one membership; asked for each of a list, with its member_id.',
  },
  get_members: {
    rule: `${ADMIN} or (role:reader and (${OWN} or ${SHARED_WITH}))`,
    formerly: ANYONE,
    help: 'List with whom an image is shared.',
  },
  modify_member: {
    rule: `${ADMIN} or (role:member and ${SHARED_WITH})`,
    formerly: SHARED_WITH,
    help: 'Accept or reject a membership. API v1 asks it beside add_member, with the caller as member_id.',
  },
  delete_member: {
    rule: ADMIN_OR_OWNING_MEMBER,
    formerly: OWN,
    help: 'End the sharing of an image with a project.',
  },
  deactivate: {
    rule: ADMIN_OR_OWNING_MEMBER,
    formerly: OWN,
    help: 'Take an image out of use: no downloads.',
  },
  reactivate: {
    rule: ADMIN_OR_OWNING_MEMBER,
    formerly: OWN,
    help: 'Bring a deactivated image back into use.',
  },
  get_image_timeline: {
    rule: ADMIN_OR_OWNING_READER,
    formerly: OWN,
    help: 'See what happened to an image. Beyond its owner and administrators nobody does, whatever this rule says.',
  },
  tasks_api_access: { rule: ADMIN, help: 'List and show tasks by GET /v2/tasks.' },
  copy_image: { rule: ADMIN, help: 'Copy the data of an image to further stores.' },
  manage_image_cache: { rule: ADMIN, help: 'Manage the image cache by its older routes.' },
  cache_image: { rule: ADMIN, help: 'Have an image cached.' },
  cache_list: { rule: ADMIN, help: 'List what the image cache holds.' },
  cache_delete: { rule: ADMIN, help: 'Remove images from the cache.' },
  cache_clean: { rule: ADMIN, help: 'Clean the cache of what is invalid.' },
  cache_prune: { rule: ADMIN, help: 'Shrink the cache to its size.' },
  list_cached_nodes: { rule: ADMIN, help: 'List which nodes have an image in their caches.' },
  ...METADEF_ACTIONS,
  stores_info_detail: { rule: SERVICE, help: 'See the properties of the stores.' },
} as const satisfies Record<string, DefaultRule>;

export type PolicyAction = keyof typeof ACTIONS;

export const POLICY_ACTIONS = Object.keys(ACTIONS) as PolicyAction[];

export function isPolicyAction(name: string): name is PolicyAction {
  return Object.hasOwn(ACTIONS, name);
}

/**
 * Rules of today that a file may still give under the name of the rule they came from, as upstream
 * has it: the cache API had one rule for everything.
 */
export const FORMER_NAMES: Readonly<Partial<Record<PolicyAction, PolicyAction>>> = {
  cache_image: 'manage_image_cache',
  cache_list: 'manage_image_cache',
  cache_delete: 'manage_image_cache',
};

const TASK_RULES = ['get_task', 'get_tasks', 'add_task', 'modify_task'];

/** Rules of upstream's files that decide nothing here: tasks are their owners' and admins'. */
export function isForeseenRule(name: string): boolean {
  return TASK_RULES.includes(name);
}

/** Rules that others are made of: some that files written for upstream take for given. */
function sharedRules(adminRole: string): Record<string, DefaultRule> {
  return {
    context_is_admin: {
      rule: `role:${adminRole.trim()}`,
      help: 'Who is an administrator, beside the holders of admin_role.',
    },
    default: {
      rule: ANYONE,
      help: 'For rules and property protections that name it, and what has no rule of its own (policy_default_rule).',
    },
    service_api: { rule: `role:service or ${ADMIN}`, help: 'Other services.' },
    metadef_default: { rule: ANYONE, help: 'Read metadata definitions.' },
    metadef_admin: { rule: ADMIN, help: 'Change metadata definitions.' },
  };
}

export interface BuiltInRulesOptions {
  adminRole: string;
  /** False: whom a rule's former text lets pass may as well. */
  enforceNewDefaults: boolean;
}

/**
 * The rules that hold where the operator's files say nothing. What is `role:admin` in the sheet asks
 * for an administrator here, so that another `admin_role` means the same everywhere.
 */
export function defaultRules({ adminRole, enforceNewDefaults }: BuiltInRulesOptions): RuleText[] {
  const rules: [string, DefaultRule][] = Object.entries({ ...sharedRules(adminRole), ...ACTIONS });
  return rules.map(([name, { rule, formerly }]) => ({
    name,
    text: formerly === undefined || enforceNewDefaults ? rule : `(${rule}) or (${formerly})`,
    origin: 'built in',
  }));
}

/** A policy file in which every rule is a comment with its default. */
export function renderPolicySample(): string {
  const rules: [string, DefaultRule][] = Object.entries({ ...sharedRules('admin'), ...ACTIONS });
  const lines = rules.map(([name, { rule, formerly, help }]) => {
    const former =
      formerly === undefined ? '' : `# enforce_new_defaults = false adds: or ${formerly}\n`;
    return `# ${help}\n${former}#"${name}": "${rule}"\n`;
  });
  return `# Policy rules of glance-api, generated: npm run docs:config
#
# "" and "@" let everybody pass, "!" nobody. role:NAME, rule:NAME, ATTRIBUTE:VALUE and 'TEXT':%(FIELD)s are
# joined by not, and, or and parentheses. Attributes of the caller: user_id, project_id, roles, is_admin,
# user_domain_id, project_domain_id, is_admin_project, service_roles, read_only. Fields: those of the image as API v2
# names them, is_public, its properties, project_id (its owner) and member_id (the caller's project when the image is
# shared and another's). The rules hold for API v1 and v2 alike; a rule in a file replaces the one here whole. Lists are
# read, too: [["role:a", "role:b"], ["role:c"]] is (role:a and role:b) or role:c. Before a change goes live:
# glance-manage policy check FILE

${lines.join('\n')}`;
}
