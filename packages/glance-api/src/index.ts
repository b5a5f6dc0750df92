export * from './composition';
export * from './config';
export { storeUsage } from './manage/store-command-line';
export { policyUsage, runPolicyManage } from './manage/run-policy-manage';
export { runStoreManage } from './manage/run-store-manage';
export { openApiDocument } from './openapi/openapi-document';
export { renderPolicySample } from './policy/default-rules';
