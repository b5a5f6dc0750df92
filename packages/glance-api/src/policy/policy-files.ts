import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { nearestName } from '@glance/service-kit';
import { FORMER_NAMES, isForeseenRule } from './default-rules';
import { candidatePaths, findOptionFile, firstFile } from './find-option-file';
import type { ReloadedSource } from './reloaded';
import { readRules } from './read-rules';
import { RuleSet, type RuleText } from './rule-set';

export interface PolicyFilesOptions {
  /** `[oslo_policy] policy_file`; undefined for the default names, which need not exist. */
  policyFile: string | undefined;
  /** `[oslo_policy] policy_dirs`: every file in them counts, after the policy file, by name. */
  policyDirs: readonly string[];
  defaultRule: string;
  /** The rules that hold where the files say nothing. */
  builtIn: readonly RuleText[];
  /** True when not only rules ask for rules, so that a name which is like no other means something. */
  namesAreFree?: boolean;
  /** Where relative names are looked for, in this order. */
  searchDirectories: readonly string[];
}

const DEFAULT_FILES = ['policy.yaml', 'policy.json'];

/** The operator's rules: oslo.policy files in YAML or JSON over the built-in rules. */
export class PolicyFiles implements ReloadedSource<RuleSet> {
  readonly name = 'The policy rules';
  private inUse: string | undefined;

  constructor(private readonly options: PolicyFilesOptions) {}

  async locate(): Promise<{ files: string[]; watched: string[] }> {
    const { policyFile, policyDirs, searchDirectories } = this.options;
    let main: string | undefined;
    const files: string[] = [];
    const watched: string[] = [];
    if (policyFile === undefined) {
      const candidates = DEFAULT_FILES.flatMap((name) => candidatePaths(name, searchDirectories));
      main = await firstFile(candidates);
      // What comes after the one in use does not count.
      const count = main === undefined ? candidates.length : candidates.indexOf(main) + 1;
      watched.push(...candidates.slice(0, count));
    } else {
      main = await findOptionFile('[oslo_policy] policy_file', policyFile, searchDirectories);
      watched.push(main);
    }
    if (main !== undefined) files.push(main);
    else if (this.inUse !== undefined) {
      // Restrictions do not end by an accident such as a volume that is not mounted.
      throw new Error(`${this.inUse} is gone; write {} into it to have the built-in rules alone`);
    }
    this.inUse = main;
    for (const directory of policyDirs) {
      for (const candidate of candidatePaths(directory, searchDirectories)) {
        const inside = await filesIn(candidate);
        files.push(...inside);
        watched.push(candidate, ...inside);
      }
    }
    return { files, watched };
  }

  async load(files: readonly string[]): Promise<RuleSet> {
    const { builtIn, defaultRule } = this.options;
    const read = await Promise.all(files.map(readRules));
    const written = read.flatMap(({ rules }) => rules);
    return RuleSet.build(
      [...builtIn, ...underFormerNames(written), ...written],
      defaultRule,
      read.flatMap(({ problems }) => problems),
    );
  }

  /** Rules that nothing asks for: a misspelt name restricts nobody. */
  warningsOf(rules: RuleSet): string[] {
    const { builtIn, defaultRule, namesAreFree = false } = this.options;
    const known = new Set(builtIn.map(({ name }) => name));
    const used = rules.referredTo();
    return rules
      .list()
      .filter(
        ({ name }) =>
          !known.has(name) && !used.has(name) && name !== defaultRule && !isForeseenRule(name),
      )
      .flatMap(({ name, origin }) => {
        const meant = nearestName(name, [...known]);
        if (meant === undefined && namesAreFree) return [];
        const hint = meant === undefined ? '' : `; did you mean "${meant}"?`;
        return [`${origin}: nothing asks for the rule "${name}"${hint}`];
      });
  }
}

/** A file that has only the former name of a rule means the rule of today, too. */
function underFormerNames(written: readonly RuleText[]): RuleText[] {
  const byName = new Map(written.map((rule) => [rule.name, rule]));
  return Object.entries(FORMER_NAMES).flatMap(([name, former]) => {
    const rule = byName.get(former);
    // One that refers to the rule of today leaves it as it is.
    if (!rule || byName.has(name) || rule.text.includes(`rule:${name}`)) return [];
    return [{ name, text: `rule:${former}`, origin: rule.origin }];
  });
}

/** In the order of their names, without hidden ones; none when there is no such directory. */
async function filesIn(directory: string): Promise<string[]> {
  try {
    const entries = await readdir(directory, { withFileTypes: true });
    return entries
      .filter((entry) => !entry.isDirectory() && !entry.name.startsWith('.'))
      .map((entry) => path.join(directory, entry.name))
      .sort();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
