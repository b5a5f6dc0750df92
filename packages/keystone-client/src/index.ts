export * from './access-rules';
export * from './keystone-error';
export type { KeystoneTls } from './keystone-exchange';
export * from './keystone-session';
export * from './limit-reader';
export * from './service-credentials';
export * from './token-validator';
export type { AccessRule, ValidatedToken } from './validated-token';
