import type { Check } from './check';
import { PolicyTemplate, TemplateError } from './policy-template';

/** A rule that cannot be understood. The position is a character of its text, from 1. */
export class RuleSyntaxError extends Error {
  constructor(
    readonly position: number,
    message: string,
  ) {
    super(`at character ${position}: ${message}`);
  }
}

/**
 * Parses a rule in the language of oslo.policy: `@`, `!`, the empty text (everybody), `role:x`,
 * `rule:x`, comparisons such as `project_id:%(project_id)s` and `'literal':%(field)s`, joined by
 * `not`, `and`, `or` (binding in this order) and parentheses.
 * @throws RuleSyntaxError
 */
export function parseCheck(text: string): Check {
  if (text === '') return { is: 'always' };
  return new Parser(text).parse();
}

/**
 * Parses one check of a rule that is written as a list, which is an "or" of lists that are an "and":
 * everything after the colon belongs to it, blanks too.
 * @throws RuleSyntaxError
 */
export function parseListedCheck(text: string): Check {
  const joined = splitWords(text).find(isSyntax);
  if (joined) {
    throw new RuleSyntaxError(
      joined.position,
      `${shown(joined)} has no meaning in a list, whose items are single checks; write the rule as one text`,
    );
  }
  return toCheck({ text, position: 1 });
}

interface Word {
  text: string;
  /** In the rule, from 1. */
  position: number;
}

class Parser {
  private readonly words: Word[];
  private readonly end: number;
  private next = 0;

  constructor(text: string) {
    this.words = splitWords(text);
    this.end = text.length + 1;
  }

  parse(): Check {
    const check = this.parseAny();
    const rest = this.words[this.next];
    if (rest)
      throw new RuleSyntaxError(rest.position, `"and" or "or" is missing before ${shown(rest)}`);
    return check;
  }

  private parseAny(): Check {
    const checks = [this.parseAll()];
    while (this.take('or')) checks.push(this.parseAll());
    return checks.length === 1 ? (checks[0] as Check) : { is: 'any', checks };
  }

  private parseAll(): Check {
    const checks = [this.parseOne()];
    while (this.take('and')) checks.push(this.parseOne());
    return checks.length === 1 ? (checks[0] as Check) : { is: 'all', checks };
  }

  private parseOne(): Check {
    if (this.take('not')) return { is: 'not', check: this.parseOne() };
    const open = this.take('(');
    if (open) {
      const check = this.parseAny();
      if (!this.take(')')) {
        throw new RuleSyntaxError(open.position, 'this parenthesis is not closed');
      }
      return check;
    }
    const word = this.words[this.next];
    if (!word) throw new RuleSyntaxError(this.end, 'a check is missing at the end');
    if (isSyntax(word)) {
      throw new RuleSyntaxError(word.position, `a check is missing before ${shown(word)}`);
    }
    this.next += 1;
    return toCheck(word);
  }

  private take(syntax: string): Word | undefined {
    const word = this.words[this.next];
    if (word?.text.toLowerCase() !== syntax) return undefined;
    this.next += 1;
    return word;
  }
}

function isSyntax({ text }: Word): boolean {
  return ['and', 'or', 'not', '(', ')'].includes(text.toLowerCase());
}

/** Blanks separate words, except in quotes; so do parentheses, except in `%(name)s`. */
function splitWords(text: string): Word[] {
  const words: Word[] = [];
  const token = /\s+|[()]|(?:%\([^)]*\)|'[^']*'|"[^"]*"|[^\s()'"])+|./gs;
  for (const match of text.matchAll(token)) {
    const word = match[0];
    const position = match.index + 1;
    if (word === "'" || word === '"') {
      throw new RuleSyntaxError(position, 'this quotation mark is not closed');
    }
    if (word.trim() !== '') words.push({ text: word, position });
  }
  return words;
}

function toCheck(word: Word): Check {
  const { text, position } = word;
  if (text === '@') return { is: 'always' };
  if (text === '!') return { is: 'never' };
  const literal = /^('[^']*'|"[^"]*"):/.exec(text)?.[1];
  const colon = literal?.length ?? text.indexOf(':');
  if (colon === -1) {
    throw new RuleSyntaxError(
      position,
      `${shown(word)} is no check: it needs a kind, such as "role:" or "rule:"`,
    );
  }
  const kind = text.slice(0, colon);
  const value = text.slice(colon + 1);
  const right = (): PolicyTemplate => parseTemplate(value, position + colon + 1);
  if (literal !== undefined) return { is: 'literal', text: literal.slice(1, -1), right: right() };
  switch (kind) {
    case 'rule':
      return { is: 'rule', name: value, position };
    case 'role':
      return { is: 'role', role: right() };
    case 'http':
    case 'https':
      throw new RuleSyntaxError(
        position,
        `checks by a remote server (${kind}:) are not supported; write the condition as a rule`,
      );
  }
  if (/^(?:True|False|None|[+-]?\d+(?:\.\d+)?)$/.test(kind)) {
    return { is: 'literal', text: kind.replace(/^\+/, ''), right: right() };
  }
  if (!/^\w+(?:\.\w+)*$/.test(kind)) {
    throw new RuleSyntaxError(
      position,
      `"${kind}" is neither an attribute of the caller nor a text in quotation marks`,
    );
  }
  return { is: 'attribute', path: kind.split('.'), right: right() };
}

function parseTemplate(text: string, position: number): PolicyTemplate {
  try {
    return PolicyTemplate.parse(text);
  } catch (error) {
    if (!(error instanceof TemplateError)) throw error;
    throw new RuleSyntaxError(position + error.offset, error.message);
  }
}

function shown({ text }: Word): string {
  return `"${text.slice(0, 80)}"`;
}
