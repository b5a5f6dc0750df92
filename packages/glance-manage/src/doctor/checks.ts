import { describeError } from '@glance/common';
import { checkApiFiles, checkApiValues, checkOwners } from './configuration/api-files';
import { checkKeyPlace } from './configuration/encryption-key';
import { checkPasteFile } from './configuration/paste-file';
import { checkRegistryFiles } from './configuration/registry-files';
import { checkServiceKeys } from './configuration/service-keys';
import { checkDatabase } from './database';
import type { Finding } from './finding';
import { checkHost } from './host';
import { checkImageData } from './image-data';
import { checkKeystone } from './keystone';
import { checkAccessRules, checkDeclaredProperties } from './policy';
import { checkRegistryAnswer } from './registry';
import { checkStoreKinds, checkStores } from './stores';
import type { UPGRADE_CHECKS } from '../status/upgrade-check';
import type { Subject } from './subject';

/** One look at one thing. It changes nothing, and what it throws is a fault of its own. */
export interface Check {
  /** The heading that its findings stand under. */
  area: string;
  /** Asks only files: it is also this row of `glance-status upgrade check`. */
  upgradeCheck?: (typeof UPGRADE_CHECKS)[number];
  run(subject: Subject): Finding[] | Promise<Finding[]>;
}

/** Everything that is looked at, in the order in which it is told. */
export const CHECKS: readonly Check[] = [
  { area: 'glance-api.conf', run: checkApiFiles },
  { area: 'glance-api.conf', upgradeCheck: 'Values of options', run: checkApiValues },
  {
    area: 'glance-api.conf',
    upgradeCheck: 'Config option owner_is_tenant removal',
    run: checkOwners,
  },
  {
    area: 'glance-api.conf',
    upgradeCheck: 'Place of metadata_encryption_key',
    run: checkKeyPlace,
  },
  { area: 'glance-api-paste.ini', run: checkPasteFile },
  { area: 'glance-registry.conf', run: checkRegistryFiles },
  { area: 'glance-registry.conf', run: checkServiceKeys },
  {
    area: 'Policy and properties',
    upgradeCheck: 'Policy File JSON to YAML Migration',
    run: checkAccessRules,
  },
  { area: 'Policy and properties', run: checkDeclaredProperties },
  { area: 'Database', run: checkDatabase },
  { area: 'Stores', upgradeCheck: 'Sheepdog Driver Removal', run: checkStoreKinds },
  { area: 'Stores', run: checkStores },
  { area: 'Image data', run: checkImageData },
  { area: 'glance-registry', run: checkRegistryAnswer },
  { area: 'Keystone', run: checkKeystone },
  { area: 'This host', run: checkHost },
];

/** The findings of a check, whatever becomes of it. */
export async function runCheck(check: Check, subject: Subject): Promise<Finding[]> {
  try {
    return await check.run(subject);
  } catch (error) {
    return [{ verdict: 'failed', text: `this could not be looked at: ${describeError(error)}` }];
  }
}
