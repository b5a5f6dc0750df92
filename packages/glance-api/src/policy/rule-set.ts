import { nearestName } from '@glance/service-kit';
import {
  isPermitted,
  referencesOf,
  type Check,
  type PolicySubject,
  type PolicyTarget,
} from './check';
import { RuleSyntaxError, parseCheck, parseListedCheck } from './parse-check';

/** A rule as it was written. */
export interface RuleText {
  name: string;
  text: string;
  /** For messages: `file:line`. */
  origin: string;
  /** Of a rule that is a list: its items. One of the lists in it must pass, with all that is in it. */
  list?: readonly (readonly ListedCheck[])[];
}

/** One item of a rule that is a list, and where it stands. */
export interface ListedCheck {
  text: string;
  origin: string;
}

/** Rules that cannot be used; the message has one line for each problem. */
export class PolicyError extends Error {
  constructor(readonly problems: readonly string[]) {
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
   * @param unreadable what is wrong already, with texts that are not among these.
   * @throws PolicyError that names every rule at fault, where it stands and why.
   */
  static build(
    texts: readonly RuleText[],
    defaultRule: string,
    unreadable: readonly string[] = [],
  ): RuleSet {
    const rules = new Map<string, Rule>();
    const problems = [...unreadable];
    // A reference to a rule with a fault of its own is no second problem.
    const names = new Set(texts.map(({ name }) => name));
    for (const text of new Map(texts.map((each) => [each.name, each])).values()) {
      const parsed = parseRule(text, problems);
      if (!parsed) continue;
      rules.set(text.name, { ...text, check: parsed.check });
      problems.push(...parsed.references.flatMap((each) => unknownReference(each, names)));
    }
    problems.push(...findCircles(rules));
    if (!names.has(defaultRule)) {
      problems.push(`[oslo_policy] policy_default_rule = ${defaultRule}: there is no such rule`);
    }
    if (problems.length > 0) throw new PolicyError(problems);
    return new RuleSet(rules, defaultRule);
  }

  /** The rules that hold, each as it was written. */
  list(): RuleText[] {
    return [...this.rules.values()];
  }

  /** The names of the rules that others refer to. */
  referredTo(): ReadonlySet<string> {
    const references = [...this.rules.values()].flatMap(({ check }) => referencesOf(check));
    return new Set(references.map(({ name }) => name));
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

interface Reference {
  /** The rule that refers, with its place, for messages. */
  from: string;
  to: string;
  position: number;
}

/** @returns undefined for a rule with faults, which are added to the problems. */
function parseRule(
  rule: RuleText,
  problems: string[],
): { check: Check; references: Reference[] } | undefined {
  const references: Reference[] = [];
  const before = problems.length;
  const parse = (from: string, text: string, parseText: (text: string) => Check): Check => {
    try {
      const check = parseText(text);
      for (const { name, position } of referencesOf(check)) {
        references.push({ from, to: name, position });
      }
      return check;
    } catch (error) {
      if (!(error instanceof RuleSyntaxError)) throw error;
      problems.push(`${from} ${error.message}`);
      return { is: 'never' };
    }
  };
  const check: Check =
    rule.list === undefined
      ? parse(`${rule.origin}: rule "${rule.name}"`, rule.text, parseCheck)
      : {
          is: 'any',
          checks: rule.list.map((all) => ({
            is: 'all',
            checks: all.map(({ text, origin }) =>
              parse(`${origin}: rule "${rule.name}" in "${text}"`, text, parseListedCheck),
            ),
          })),
        };
  return problems.length === before ? { check, references } : undefined;
}

function unknownReference({ from, to, position }: Reference, names: ReadonlySet<string>): string[] {
  if (names.has(to)) return [];
  const meant = nearestName(to, [...names]);
  const hint = meant === undefined ? '' : `; did you mean "${meant}"?`;
  return [`${from} at character ${position}: there is no rule "${to}"${hint}`];
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
