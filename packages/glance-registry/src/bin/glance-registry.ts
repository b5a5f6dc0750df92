import { runHttpProgram } from '@glance/service-kit';
import { createRegistry } from '../composition';
import {
  REGISTRY_DEFAULT_FILES,
  REGISTRY_OPTIONS,
  checkRegistryConfig,
  toRegistrySettings,
} from '../config';
import { RELEASE } from '../release';

runHttpProgram({
  name: 'glance-registry',
  release: RELEASE,
  options: REGISTRY_OPTIONS,
  defaultFiles: REGISTRY_DEFAULT_FILES,
  check: checkRegistryConfig,
  create: (config, { logger }) => createRegistry(toRegistrySettings(config), { logger }),
});
