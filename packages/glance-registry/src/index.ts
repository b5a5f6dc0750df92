export {
  createRegistry,
  type RegistryApplication,
  type RegistryOverrides,
  type RegistrySettings,
} from './composition';
export {
  MANAGE_DEFAULT_FILES,
  MANAGE_OPTIONS,
  REGISTRY_DEFAULT_FILES,
  REGISTRY_OPTIONS,
  checkRegistryConfig,
  registryWarnings,
  requireConnection,
} from './config';
export {
  DatabaseInspection,
  passwordsIn,
  type InspectedLocation,
  type SchemaFacts,
  type StatusCount,
  type StuckImage,
} from './manage/inspect-database';
export { dbUsage, runManage } from './manage/run-manage';
export { SchemaOutdatedError } from './db/migrator';
