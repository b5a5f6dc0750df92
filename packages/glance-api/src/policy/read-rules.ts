import { readFile } from 'node:fs/promises';
import { LineCounter, isMap, isScalar, isSeq, parseDocument, type Node } from 'yaml';
import type { ListedCheck, RuleText } from './rule-set';

/** What a policy file says: its rules, and what in it is none. */
export interface RulesOfFile {
  rules: RuleText[];
  /** One line each, with file, line and reason. */
  problems: string[];
}

/**
 * Reads a policy file of oslo.policy, in YAML or JSON.
 * @throws Error when it cannot be read at all.
 */
export async function readRules(file: string): Promise<RulesOfFile> {
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    throw new Error(`${file}: cannot be read`, { cause: error });
  });
  return parseRules(file, text);
}

function parseRules(file: string, text: string): RulesOfFile {
  const refused = (problem: string): RulesOfFile => ({ rules: [], problems: [problem] });
  if (text.trim() === '') {
    // Not "no rules": a file that is being written, or could not be, is empty too.
    return refused(`${file}: the file is empty; write {} when there is nothing to say`);
  }
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const at = (offset: number): string => `${file}:${lines.linePos(offset).line}`;
  const { contents, errors } = document;
  if (errors.length > 0) {
    return {
      rules: [],
      problems: errors.map(({ pos, message }) => `${at(pos[0])}: ${message}`),
    };
  }
  if (contents === null) return { rules: [], problems: [] };
  if (!isMap(contents)) return refused(`${at(contents.range[0])}: expected "name": "rule" pairs`);
  const rules: RuleText[] = [];
  const problems: string[] = [];
  for (const { key, value } of contents.items) {
    if (!isScalar(key) || typeof key.value !== 'string') {
      const [offset] = (key as Node | null)?.range ?? contents.range;
      problems.push(`${at(offset)}: the name of a rule must be text`);
      continue;
    }
    const name = key.value;
    const origin = at(key.range[0]);
    const list = readList(value, at);
    const single = plainText(value);
    // `name: !` is a tag without a text, which would let everybody in.
    if (single !== undefined) rules.push({ name, text: single, origin });
    else if (list !== undefined) rules.push({ name, origin, ...list });
    else {
      problems.push(
        `${origin}: rule "${name}" must be a text in quotation marks, such as "!" or "role:admin", or a list of such texts and lists of them`,
      );
    }
  }
  return { rules, problems };
}

/** A rule as a list, and as the text that means the same; an empty list lets everybody pass. */
function readList(
  node: unknown,
  at: (offset: number) => string,
): Pick<RuleText, 'list' | 'text'> | undefined {
  if (!isSeq(node)) return undefined;
  if (node.items.length === 0) return { text: '@' };
  const list: ListedCheck[][] = [];
  for (const item of node.items) {
    const texts = isSeq(item) ? item.items : [item];
    const checks: ListedCheck[] = [];
    for (const each of texts) {
      const text = plainText(each);
      if (text === undefined) return undefined;
      checks.push({ text, origin: at((each as Node).range?.[0] ?? 0) });
    }
    // As oslo.policy has it: an empty list among others is passed over.
    if (checks.length > 0) list.push(checks);
  }
  const alternatives = list.map((checks) => checks.map(({ text }) => text).join(' and '));
  const text = alternatives
    .map((each, index) => (list.length > 1 && (list[index]?.length ?? 0) > 1 ? `(${each})` : each))
    .join(' or ');
  return list.length === 0 ? { text: '!' } : { text, list };
}

function plainText(node: unknown): string | undefined {
  if (!isScalar(node) || typeof node.value !== 'string' || node.tag !== undefined) return undefined;
  return node.value;
}
