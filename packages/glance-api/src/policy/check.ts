import type { PolicyTemplate } from './policy-template';

/** Who asks, as rules see it. */
export interface PolicySubject {
  readonly roles: readonly string[];
  /** What comparisons may name on their left side, such as `project_id`. */
  readonly attributes: Readonly<Record<string, unknown>>;
}

/** What is asked for, as rules see it: `%(name)s` stands for the field `name`. A `Map` is one. */
export interface PolicyTarget {
  has(field: string): boolean;
  get(field: string): unknown;
}

/** A rule of the policy language, parsed. */
export type Check =
  | { readonly is: 'always' }
  | { readonly is: 'never' }
  | { readonly is: 'not'; readonly check: Check }
  | { readonly is: 'all' | 'any'; readonly checks: readonly Check[] }
  | { readonly is: 'role'; readonly role: PolicyTemplate }
  /** `position` is the character of the rule's text, from 1, where the name begins. */
  | { readonly is: 'rule'; readonly name: string; readonly position: number }
  | { readonly is: 'literal'; readonly text: string; readonly right: PolicyTemplate }
  | { readonly is: 'attribute'; readonly path: readonly string[]; readonly right: PolicyTemplate };

/**
 * Decides a check. A field that the target does not have fails the check that names it.
 * @param ruleOf the check of a rule that another refers to.
 */
export function isPermitted(
  check: Check,
  subject: PolicySubject,
  target: PolicyTarget,
  ruleOf: (name: string) => Check,
): boolean {
  const decide = (each: Check): boolean => isPermitted(each, subject, target, ruleOf);
  switch (check.is) {
    case 'always':
      return true;
    case 'never':
      return false;
    case 'not':
      return !decide(check.check);
    case 'all':
      return check.checks.every(decide);
    case 'any':
      return check.checks.some(decide);
    case 'rule':
      return decide(ruleOf(check.name));
    case 'role': {
      const role = check.role.fill(target)?.toLowerCase();
      return subject.roles.some((each) => each.toLowerCase() === role);
    }
    case 'literal':
      return check.right.fill(target) === check.text;
    case 'attribute':
      return hasAttribute(subject.attributes, check.path, check.right, target);
  }
}

/** Of a list, any item may be the one that is meant. */
function hasAttribute(
  value: unknown,
  path: readonly string[],
  right: PolicyTemplate,
  target: PolicyTarget,
): boolean {
  if (Array.isArray(value)) {
    return value.some((item: unknown) => hasAttribute(item, path, right, target));
  }
  const [name, ...rest] = path;
  if (name !== undefined) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return false;
    return hasAttribute((value as Record<string, unknown>)[name], rest, right, target);
  }
  // A caller without a project does not own what belongs to nobody; upstream says he does.
  if (value === null && !right.isConstant) return false;
  return right.fill(target) === toPolicyText(value);
}

/** Every check in the tree that refers to another rule. */
export function referencesOf(check: Check): Extract<Check, { is: 'rule' }>[] {
  switch (check.is) {
    case 'rule':
      return [check];
    case 'not':
      return referencesOf(check.check);
    case 'all':
    case 'any':
      return check.checks.flatMap(referencesOf);
    default:
      return [];
  }
}

/** A value as text, in the spelling rules are written for: Python's. */
export function toPolicyText(value: unknown): string {
  if (value === null || value === undefined) return 'None';
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  return typeof value === 'string' ? value : JSON.stringify(value);
}
