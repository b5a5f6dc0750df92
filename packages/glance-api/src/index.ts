export * from './composition';
export * from './config';
export { storeUsage } from './manage/store-command-line';
export { runStoreManage } from './manage/run-store-manage';
export { renderPolicySample } from './policy/default-rules';
