export * from './composition';
export * from './config';
export { renderPolicySample } from './policy/default-rules';
