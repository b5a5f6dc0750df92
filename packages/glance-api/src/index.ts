export * from './composition';
export * from './config';
export { storeUsage } from './manage/store-command-line';
export { policyUsage, runPolicyManage } from './manage/run-policy-manage';
export { imagesUsage, runImagesManage } from './manage/restore-images';
export { runScrubber } from './manage/run-scrubber';
export { authFlavor } from './auth/create-authenticator';
export { isCachingFlavor } from './cache/create-cache';
export {
  requireKnownPlugins,
  stagingPlace,
  workPlace,
  type ConfiguredPlace,
} from './imports/create-imports';
export { connectKeystone, type KeystoneAccess } from './keystone/keystone-options';
export { checkPolicy } from './manage/policy-commands';
export { createRegistryClient, registryUrls } from './registry-access';
export { RELEASE } from './release';
export { apiWarnings, checkApiConfig } from './safe-exposure';
export { storeSections } from './store-config/store-options';
export { storeSettings } from './store-config/store-settings';
export { candidatePaths } from './policy/find-option-file';
export { readDeclaredProperties } from './v2/schemas/declared-properties';
export { runStoreManage } from './manage/run-store-manage';
export { openApiDocument } from './openapi/openapi-document';
export { renderPolicySample } from './policy/default-rules';
