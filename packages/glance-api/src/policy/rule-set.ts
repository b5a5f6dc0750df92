import {
  isPermitted,
  referencesOf,
  type Check,
  type PolicySubject,
  type PolicyTarget,
} from './check';
import { RuleSyntaxError, parseCheck } from './parse-check';

/** A rule as it was written. */
export interface RuleText {
  name: string;
  text: string;
  /** For messages: `file:line`. */
  origin: string;
}

/** Rules that cannot be used; the message has one line for each problem. */
export class PolicyError extends Error {
  constructor(problems: readonly string[]) {
    super(problems.join('\n'));
    this.name = 'PolicyError';
  }
}

interface Rule extends RuleText {
  check: Check;
}

/** Rules that were checked together: every reference leads somewhere, and none in a circle. */
export class RuleSet {
  private constructor(
    private readonly rules: ReadonlyMap<string, Rule>,
    private readonly defaultRule: string,
  ) {}

  /**
   * @param texts of several with the same name the last one counts.
   * @param defaultRule decides what no rule is named after.
   * @throws PolicyError that names every rule at fault, where it stands and why.
   */
  static build(texts: readonly RuleText[], defaultRule: string): RuleSet {
    const rules = new Map<string, Rule>();
    const problems: string[] = [];
    for (const text of new Map(texts.map((each) => [each.name, each])).values()) {
      try {
        rules.set(text.name, { ...text, check: parseCheck(text.text) });
      } catch (error) {
        if (!(error instanceof RuleSyntaxError)) throw error;
        problems.push(`${text.origin}: rule "${text.name}" ${error.message}`);
      }
    }
    // A reference to a rule with a fault of its own is no second problem.
    const names = new Set(texts.map(({ name }) => name));
    for (const rule of rules.values()) problems.push(...unknownReferences(rule, names));
    problems.push(...findCircles(rules));
    if (!names.has(defaultRule)) {
      problems.push(`[oslo_policy] policy_default_rule = ${defaultRule}: there is no such rule`);
    }
    if (problems.length > 0) throw new PolicyError(problems);
    return new RuleSet(rules, defaultRule);
  }

  has(name: string): boolean {
    return this.rules.has(name);
  }

  permits(name: string, subject: PolicySubject, target: PolicyTarget): boolean {
    return isPermitted(this.checkOf(name), subject, target, (each) => this.checkOf(each));
  }

  private checkOf(name: string): Check {
    const rule = this.rules.get(name) ?? this.rules.get(this.defaultRule);
    return rule ? rule.check : { is: 'never' };
  }
}

function unknownReferences(rule: Rule, names: ReadonlySet<string>): string[] {
  return referencesOf(rule.check)
    .filter(({ name }) => !names.has(name))
    .map(
      ({ name, position }) =>
        `${rule.origin}: rule "${rule.name}" at character ${position}: there is no rule "${name}"`,
    );
}

/** One message for each circle, told from the rule of it that comes first. */
function findCircles(rules: ReadonlyMap<string, Rule>): string[] {
  const problems: string[] = [];
  const done = new Set<string>();
  const visit = (rule: Rule, path: readonly string[]): void => {
    const seenAt = path.indexOf(rule.name);
    if (seenAt !== -1) {
      const circle = [...path.slice(seenAt), rule.name].join(' -> ');
      problems.push(`${rule.origin}: rule "${rule.name}" refers to itself: ${circle}`);
      return;
    }
    if (done.has(rule.name)) return;
    for (const { name } of referencesOf(rule.check)) {
      const next = rules.get(name);
      if (next) visit(next, [...path, rule.name]);
    }
    done.add(rule.name);
  };
  for (const rule of rules.values()) visit(rule, []);
  return problems;
}
