import { DomainError } from '@glance/common';
import type { Logger } from '@glance/service-kit';
import type { Caller } from '../auth/caller';
import type { PolicySubject, PolicyTarget } from './check';
import { defaultRules, isPolicyAction, type PolicyAction } from './default-rules';
import { PolicyFiles, type PolicyFilesOptions } from './policy-files';
import { Reloaded } from './reloaded';
import type { RuleSet, RuleText } from './rule-set';

export interface PolicyOptions extends Omit<PolicyFilesOptions, 'builtIn'> {
  adminRole: string;
  /** False: the rules as they were before roles had meanings hold beside the built-in ones. */
  enforceNewDefaults: boolean;
  /** True: every action is refused to a caller whose token is not for a project. */
  enforceScope: boolean;
}

const NO_TARGET: PolicyTarget = new Map();

/**
 * What the rules say about a caller. They hold beside the registry's: but for making somebody an
 * administrator, a rule can only take away from what ownership and visibility allow.
 */
export class Policy {
  private constructor(
    private readonly rules: Reloaded<RuleSet>,
    private readonly adminRole: string,
    private readonly enforceScope: boolean,
  ) {}

  /** @throws Error when a file that is configured cannot be used. */
  static async read(options: PolicyOptions, logger: Logger): Promise<Policy> {
    const adminRole = options.adminRole.trim().toLowerCase();
    const { enforceNewDefaults, enforceScope } = options;
    const builtIn = defaultRules({ adminRole, enforceNewDefaults });
    const files = new PolicyFiles({ ...options, builtIn });
    return new Policy(await Reloaded.read(files, logger), adminRole, enforceScope);
  }

  /** Every path whose change may change the rules. */
  get paths(): readonly string[] {
    return this.rules.paths;
  }

  /** Files that were changed before the call hold afterwards. */
  refresh(): Promise<void> {
    return this.rules.refresh();
  }

  /**
   * @param target what the action is about, see image-target.ts; of an image that is there see
   * `enforceOnImage` as well.
   * @throws DomainError `forbidden`.
   */
  enforce(action: PolicyAction, caller: Caller, target = NO_TARGET): void {
    if (!this.permits(action, caller, target)) throw notAuthorized(action);
  }

  /**
   * A rule that does not exist is decided by the default rule. Every action is for tokens of projects
   * (api-v2 sheet §13.1).
   */
  permits(rule: string, caller: Caller, target = NO_TARGET): boolean {
    if (this.enforceScope && caller.tokenScope !== 'project' && isPolicyAction(rule)) return false;
    return this.rules.current.permits(rule, subjectOf(caller), target);
  }

  hasRule(name: string): boolean {
    return this.rules.current.has(name);
  }

  /** The rules that hold, each as it was written and where. */
  list(): RuleText[] {
    return this.rules.current.list();
  }

  /** `admin_role`, or whom the rule `context_is_admin` lets pass (api-v1 sheet §7). */
  isAdmin(caller: Omit<Caller, 'isAdmin'>): boolean {
    const undecided = { ...caller, isAdmin: caller.roles.includes(this.adminRole) };
    return undecided.isAdmin || this.permits('context_is_admin', undecided);
  }
}

export function notAuthorized(action: PolicyAction): DomainError {
  return new DomainError('forbidden', `You are not authorized to complete ${action} action.`, {
    details: { action },
  });
}

/** The caller under the names that rules use: those of oslo.context, and its older ones. */
function subjectOf(caller: Caller): PolicySubject {
  const { userId, projectId, roles, isAdmin, readOnly } = caller;
  return {
    roles,
    attributes: {
      user_id: userId,
      user: userId,
      project_id: projectId,
      tenant: projectId,
      roles,
      is_admin: isAdmin,
      read_only: readOnly,
      service_roles: caller.serviceRoles,
      user_domain_id: caller.userDomainId,
      project_domain_id: caller.projectDomainId,
      is_admin_project: caller.isAdminProject,
    },
  };
}
