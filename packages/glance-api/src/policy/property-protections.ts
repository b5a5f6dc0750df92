import { readFile } from 'node:fs/promises';
import { isServiceProperty } from '@glance/common';
import type { Logger } from '@glance/service-kit';
import type { Caller } from '../auth/caller';
import { findOptionFile } from './find-option-file';
import type { Policy } from './policy';
import {
  MAX_PROPERTY_NAME,
  parsePropertyRules,
  type PropertyOperation,
  type PropertyRule,
  type PropertyRuleFormat,
  type PropertyRuleSyntax,
} from './property-rules';
import { Reloaded, type ReloadedSource } from './reloaded';

export interface PropertyProtectionOptions {
  /** `property_protection_file`; undefined: everybody may do everything with properties. */
  file: string | undefined;
  format: PropertyRuleFormat;
  /** Where a relative name is looked for, in this order. */
  searchDirectories: readonly string[];
  policy: Policy;
}

/** Who may create, read, update and delete which custom properties (api-v1 sheet §8, api-v2 sheet §13.6). */
export class PropertyProtections {
  private constructor(
    private readonly rules: Reloaded<PropertyRule[]> | undefined,
    private readonly policy: Policy,
  ) {}

  /** @throws Error when the file is missing or cannot be used. */
  static async read(
    options: PropertyProtectionOptions,
    logger: Logger,
  ): Promise<PropertyProtections> {
    const { file, policy } = options;
    if (file === undefined) return new PropertyProtections(undefined, policy);
    const hasRule = (name: string): boolean => policy.hasRule(name);
    const refersTo = options.format === 'policies' ? () => policy.paths : undefined;
    const source = new PropertyProtectionFile({ ...options, file, hasRule, refersTo });
    return new PropertyProtections(await Reloaded.read(source, logger), policy);
  }

  /** Files that were changed before the call hold afterwards. */
  async refresh(): Promise<void> {
    await this.rules?.refresh();
  }

  get enabled(): boolean {
    return this.rules !== undefined;
  }

  /** The first pattern found in the name decides; what no pattern is found in is for nobody. */
  permits(operation: PropertyOperation, property: string, caller: Caller): boolean {
    // What the service keeps there is not the file's to protect (api-v2 sheet §13.6).
    if (!this.rules || isServiceProperty(property)) return true;
    // No property has such a name; filters may.
    if (property.length > MAX_PROPERTY_NAME) return false;
    const grant = this.rules.current.find(({ pattern }) => pattern.test(property))?.grants[
      operation
    ];
    switch (grant?.to) {
      case 'everybody':
        return true;
      case 'roles':
        return [...caller.roles, ...caller.serviceRoles].some((role) => grant.roles.includes(role));
      case 'rule':
        return this.policy.permits(grant.rule, caller);
      case undefined:
        return false;
    }
  }
}

export interface PropertyProtectionFileOptions extends PropertyRuleSyntax {
  file: string;
  searchDirectories: readonly string[];
  /** The paths of what its rules refer to: when one changes, the file is read again. */
  refersTo?: (() => readonly string[]) | undefined;
}

/** The property protection file, wherever it is. */
export class PropertyProtectionFile implements ReloadedSource<PropertyRule[]> {
  readonly name = 'The property protections';

  constructor(private readonly options: PropertyProtectionFileOptions) {}

  async locate(): Promise<{ files: string[]; watched: string[] }> {
    const { file, searchDirectories, refersTo } = this.options;
    const found = await findOptionFile('property_protection_file', file, searchDirectories);
    return { files: [found], watched: [found, ...(refersTo?.() ?? [])] };
  }

  async load([file = '']: readonly string[]): Promise<PropertyRule[]> {
    const text = await readFile(file, 'utf8').catch((error: unknown) => {
      throw new Error(`${file}: cannot be read`, { cause: error });
    });
    return parsePropertyRules(file, text, this.options);
  }
}
