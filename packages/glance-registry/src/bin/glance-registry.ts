import { runHttpProgram } from '@glance/service-kit';
import { createRegistry } from '../composition';
import {
  REGISTRY_DEFAULT_FILES,
  REGISTRY_OPTIONS,
  checkRegistryConfig,
  registryWarnings,
  toRegistrySettings,
} from '../config';
import { RELEASE } from '../release';

runHttpProgram({
  name: 'glance-registry',
  release: RELEASE,
  options: REGISTRY_OPTIONS,
  defaultFiles: REGISTRY_DEFAULT_FILES,
  check: checkRegistryConfig,
  warnings: registryWarnings,
  create: (config, { logger, metrics, serviceKeys }) =>
    createRegistry(toRegistrySettings(config, serviceKeys), { logger, metrics }),
});
