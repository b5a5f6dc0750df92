import { readFile, readdir } from 'node:fs/promises';
import path from 'node:path';
import { LineCounter, isMap, isScalar, parseDocument } from 'yaml';
import { candidatePaths, findOptionFile, firstFile } from './find-option-file';
import type { ReloadedSource } from './reloaded';
import { PolicyError, RuleSet, type RuleText } from './rule-set';

export interface PolicyFilesOptions {
  /** `[oslo_policy] policy_file`; undefined for the default names, which need not exist. */
  policyFile: string | undefined;
  /** `[oslo_policy] policy_dirs`: every file in them counts, after the policy file, by name. */
  policyDirs: readonly string[];
  defaultRule: string;
  /** The rules that hold where the files say nothing. */
  builtIn: readonly RuleText[];
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
    const texts = await Promise.all(files.map(readRules));
    return RuleSet.build([...builtIn, ...texts.flat()], defaultRule);
  }
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

/** @throws PolicyError that names the file, and the line where there is one. */
async function readRules(file: string): Promise<RuleText[]> {
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    throw new Error(`${file}: cannot be read`, { cause: error });
  });
  if (text.trim() === '') {
    // Not "no rules": a file that is being written, or could not be, is empty too.
    throw new PolicyError([`${file}: the file is empty; write {} when there is nothing to say`]);
  }
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const at = (offset: number): string => `${file}:${lines.linePos(offset).line}`;
  const [fault] = document.errors;
  if (fault) throw new PolicyError([`${at(fault.pos[0])}: ${fault.message}`]);
  const { contents } = document;
  if (contents === null) return [];
  if (!isMap(contents)) {
    throw new PolicyError([`${at(contents.range[0])}: expected "name": "rule" pairs`]);
  }
  const rules: RuleText[] = [];
  const problems: string[] = [];
  for (const { key, value } of contents.items) {
    if (!isScalar(key) || typeof key.value !== 'string') {
      problems.push(`${at(contents.range[0])}: the name of a rule must be text`);
      continue;
    }
    const origin = at(key.range[0]);
    // `name: !` is a tag without a text, which would let everybody in.
    if (!isScalar(value) || typeof value.value !== 'string' || value.tag !== undefined) {
      problems.push(
        `${origin}: rule "${key.value}" must be a text in quotation marks, such as "!" or "role:admin"`,
      );
      continue;
    }
    rules.push({ name: key.value, text: value.value, origin });
  }
  if (problems.length > 0) throw new PolicyError(problems);
  return rules;
}
