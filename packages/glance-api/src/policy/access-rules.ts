import type { Logger } from '@glance/service-kit';
import type { ApiConfig } from '../config';
import { defaultRules } from './default-rules';
import { Policy, type PolicyOptions } from './policy';
import { PolicyFiles } from './policy-files';
import { PropertyProtections, type PropertyProtectionOptions } from './property-protections';

/** @throws Error when a file of rules cannot be used. */
export async function readAccessRules(
  config: ApiConfig,
  searchDirectories: readonly string[],
  logger: Logger,
): Promise<{ policy: Policy; protections: PropertyProtections }> {
  const policy = await Policy.read(policyOptions(config, searchDirectories), logger);
  const options = protectionOptions(config, searchDirectories);
  return { policy, protections: await PropertyProtections.read({ ...options, policy }, logger) };
}

/** The policy files that a configuration names, over the rules that it has built in. */
export function policyFiles(config: ApiConfig, searchDirectories: readonly string[]): PolicyFiles {
  const options = policyOptions(config, searchDirectories);
  return new PolicyFiles({ ...options, builtIn: defaultRules(options) });
}

function policyOptions(
  { DEFAULT: options, oslo_policy: rules }: ApiConfig,
  searchDirectories: readonly string[],
): PolicyOptions {
  return {
    policyFile: rules.policy_file,
    policyDirs: rules.policy_dirs,
    defaultRule: rules.policy_default_rule,
    adminRole: options.admin_role.trim().toLowerCase(),
    enforceNewDefaults: rules.enforce_new_defaults,
    enforceScope: rules.enforce_scope,
    namesAreFree:
      options.property_protection_file !== undefined &&
      options.property_protection_rule_format === 'policies',
    searchDirectories,
  };
}

/** The property protections that a configuration names. */
export function protectionOptions(
  { DEFAULT: options }: ApiConfig,
  searchDirectories: readonly string[],
): Omit<PropertyProtectionOptions, 'policy'> {
  return {
    file: options.property_protection_file,
    format: options.property_protection_rule_format === 'policies' ? 'policies' : 'roles',
    searchDirectories,
  };
}
