import { describeError } from '@glance/common';
import type { ApiConfig } from '../config';
import { policyFiles, protectionOptions } from '../policy/access-rules';
import { PropertyProtectionFile } from '../policy/property-protections';
import { PolicyError, type RuleSet } from '../policy/rule-set';

export interface PolicyCommandContext {
  config: ApiConfig;
  /** Where relative names of files are looked for, in this order. */
  searchDirectories: readonly string[];
  print: (line: string) => void;
  printError: (line: string) => void;
}

export const LIST_FORMATS = ['text', 'json'] as const;
export type ListFormat = (typeof LIST_FORMATS)[number];

/**
 * Says what is wrong with policy files over the built-in rules, and with the property protections
 * that the configuration names, one problem a line.
 * @param files instead of the policy files that the configuration names.
 * @returns whether the service would take them; warnings do not count.
 */
export async function checkPolicy(
  files: readonly string[],
  { config, searchDirectories, print, printError }: PolicyCommandContext,
): Promise<boolean> {
  const source = policyFiles(config, searchDirectories);
  const problems: string[] = [];
  const checked = [...files];
  let rules: RuleSet | undefined;
  try {
    if (files.length === 0) checked.push(...(await source.locate()).files);
    rules = await source.load(checked);
    for (const warning of source.warningsOf(rules)) printError(`WARNING: ${warning}`);
  } catch (error) {
    problems.push(...problemsOf(error));
  }
  const { file, format } = protectionOptions(config, searchDirectories);
  if (file !== undefined) {
    // Where the rules are at fault, a name that is missing is no second problem.
    const hasRule = (name: string): boolean => rules?.has(name) ?? true;
    const protections = new PropertyProtectionFile({ file, format, searchDirectories, hasRule });
    try {
      const { files: found } = await protections.locate();
      checked.push(...found);
      await protections.load(found);
    } catch (error) {
      problems.push(...problemsOf(error));
    }
  }
  problems.forEach(printError);
  if (problems.length > 0) return false;
  if (checked.length === 0) print('There are no policy files: the built-in rules hold.');
  for (const each of checked) print(`${each}: can be used`);
  return true;
}

/**
 * Prints every rule that holds, with where it stands: as a policy file, or as JSON.
 * @throws PolicyError
 */
export async function listPolicy(
  format: ListFormat,
  { config, searchDirectories, print }: PolicyCommandContext,
): Promise<void> {
  const source = policyFiles(config, searchDirectories);
  const { files } = await source.locate();
  const rules = (await source.load(files)).list();
  if (format === 'json') {
    const list = rules.map(({ name, text, origin }) => ({ name, rule: text, origin }));
    print(JSON.stringify(list, null, 2));
    return;
  }
  for (const { name, text, origin } of rules) {
    print(`${JSON.stringify(name)}: ${JSON.stringify(text)}  # ${origin}`);
  }
}

function problemsOf(error: unknown): readonly string[] {
  return error instanceof PolicyError ? error.problems : [describeError(error)];
}
