import { IniSyntaxError, parseIniSections, type IniSection } from '@glance/service-kit';
import { isQuick } from './quick-pattern';
import { PolicyError } from './rule-set';

export const PROPERTY_OPERATIONS = ['create', 'read', 'update', 'delete'] as const;
export type PropertyOperation = (typeof PROPERTY_OPERATIONS)[number];

/** `property_protection_rule_format`: what the values of the file are. */
export type PropertyRuleFormat = 'roles' | 'policies';

/** The longest name that a property can have, and so the longest that patterns are searched in. */
export const MAX_PROPERTY_NAME = 255;

/** Who may do one thing with a property. */
export type Grant =
  | { readonly to: 'everybody' }
  /** An empty list is nobody, and so is `!`, for administrators too. */
  | { readonly to: 'roles'; readonly roles: readonly string[] }
  | { readonly to: 'rule'; readonly rule: string };

export interface PropertyRule {
  /** Found anywhere in the name of a property. */
  readonly pattern: RegExp;
  readonly grants: Readonly<Record<PropertyOperation, Grant>>;
}

export interface PropertyRuleSyntax {
  format: PropertyRuleFormat;
  hasRule(name: string): boolean;
}

/**
 * Parses a property protection file (api-v1 sheet §8): sections named by regular expressions, each
 * with the four operations.
 * @param file for messages.
 * @throws PolicyError with every problem, each with file, line and section.
 */
export function parsePropertyRules(
  file: string,
  text: string,
  syntax: PropertyRuleSyntax,
): PropertyRule[] {
  let sections: IniSection[];
  try {
    sections = parseIniSections(text);
  } catch (error) {
    if (!(error instanceof IniSyntaxError)) throw error;
    throw new PolicyError([`${file}:${error.line}: ${error.message}`]);
  }
  const problems: string[] = [];
  const rules: PropertyRule[] = [];
  const names = new Set<string>();
  for (const section of sections) {
    // What stands above the first header.
    if (section.name === 'DEFAULT' && section.entries.length === 0) continue;
    const refuse = (line: number, why: string): void => {
      problems.push(`${file}:${line}: [${section.name}] ${why}`);
    };
    if (names.has(section.name)) refuse(section.line, 'is there twice; the first one decides');
    names.add(section.name);
    const pattern = readPattern(section, refuse);
    const grants = readGrants(section, syntax, refuse);
    if (pattern && grants) rules.push({ pattern, grants });
  }
  if (problems.length === 0 && rules.length === 0) {
    // A file that is being written, or could not be, is empty too.
    problems.push(`${file}: the file has no sections, so nobody could use any property`);
  }
  if (problems.length > 0) throw new PolicyError(problems);
  return rules;
}

type Refuse = (line: number, why: string) => void;

function readPattern(section: IniSection, refuse: Refuse): RegExp | undefined {
  try {
    const pattern = toRegExp(section.name);
    if (isQuick(pattern, MAX_PROPERTY_NAME)) return pattern;
    refuse(
      section.line,
      'takes too long on some names: a repetition inside a repetition, such as (a+)+, is the usual reason',
    );
  } catch (error) {
    refuse(section.line, `is no regular expression: ${(error as Error).message}`);
  }
  return undefined;
}

/**
 * The dialects differ little. With the flag `u` JavaScript refuses what it does not know instead of
 * taking it for a letter, so that no pattern means something else than it says.
 */
function toRegExp(python: string): RegExp {
  const ignoresCase = python.startsWith('(?i)');
  const source = (ignoresCase ? python.slice(4) : python).replace(
    /\\([\s\S])|\(\?P<|\(\?P=(\w+)\)/g,
    (whole, escaped: string | undefined, group: string | undefined) => {
      if (group !== undefined) return `\\k<${group}>`;
      if (escaped === undefined) return '(?<';
      if (escaped === 'A') return '^';
      if (escaped === 'Z') return '$';
      // Python lets every punctuation character be escaped.
      if (/[-_:;,<>=~!@#%&'"` ]/.test(escaped)) {
        return `\\x${escaped.charCodeAt(0).toString(16).padStart(2, '0')}`;
      }
      return whole;
    },
  );
  return new RegExp(source, ignoresCase ? 'iu' : 'u');
}

function readGrants(
  section: IniSection,
  syntax: PropertyRuleSyntax,
  refuse: Refuse,
): PropertyRule['grants'] | undefined {
  const given = new Map<string, Grant>();
  for (const { name, value, line } of section.entries) {
    const operation = name.toLowerCase();
    if (!PROPERTY_OPERATIONS.some((each) => each === operation)) {
      refuse(line, `${name} is none of: ${PROPERTY_OPERATIONS.join(', ')}`);
    } else if (given.has(operation)) {
      refuse(line, `${name} is given twice`);
    }
    const grant = parseGrant(value, syntax);
    if (typeof grant === 'string') refuse(line, `${name} = ${value}: ${grant}`);
    else given.set(operation, grant);
  }
  const missing = PROPERTY_OPERATIONS.filter((each) => !given.has(each));
  const absent = missing.filter(
    (each) => !section.entries.some(({ name }) => name.toLowerCase() === each),
  );
  if (absent.length > 0) {
    refuse(section.line, `does not say who may ${absent.join(', ')}; leave it empty for nobody`);
  }
  if (missing.length > 0) return undefined;
  return Object.fromEntries(given) as Record<PropertyOperation, Grant>;
}

/** The grant, or what is wrong with the value. */
function parseGrant(value: string, { format, hasRule }: PropertyRuleSyntax): Grant | string {
  const words = value
    .split(',')
    .map((word) => word.trim())
    .filter((word) => word !== '');
  const everybody = words.includes('@');
  const nobody = words.includes('!');
  if (everybody && nobody) return '"@" (everybody) and "!" (nobody) exclude each other';
  if (format === 'policies' && value.includes(',')) {
    return 'with property_protection_rule_format = policies this is one rule, "@" or "!"';
  }
  if (everybody) return { to: 'everybody' };
  if (nobody) return { to: 'roles', roles: [] };
  const [rule] = words;
  if (format === 'roles' || rule === undefined) {
    return { to: 'roles', roles: words.map((role) => role.toLowerCase()) };
  }
  return hasRule(rule) ? { to: 'rule', rule } : `there is no policy rule "${rule}"`;
}
