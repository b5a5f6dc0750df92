export * from './config/config-docs';
export {
  IniSyntaxError,
  parseIniSections,
  type IniEntry,
  type IniSection,
} from './config/ini-file';
export * from './config/load-config';
export { nearestName } from './config/nearest-name';
export * from './config/options';
export * from './http/access-log';
export * from './http/client-view';
export * from './http/error-middleware';
export { messagesOf } from './http/express-messages';
export * from './http/header-limits';
export * from './http/health';
export * from './http/http-service';
export * from './http/http-status';
export * from './http/json-body';
export * from './http/request-id';
export * from './http/request-metrics';
export { securityHeaders } from './http/security-headers';
export * from './http/send-json';
export * from './http/trusted-proxies';
export * from './logger';
export * from './metrics/cached-reading';
export * from './metrics/metrics';
export * from './metrics/process-series';
export { metricsOptions } from './metrics/metrics-options';
export * from './process/log-node-warnings';
export * from './process/manage-invocation';
export * from './process/repeated-task';
export * from './process/run-operator-program';
export * from './process/run-http-program';
export * from './process/run-service';
export * from './process/reload';
export * from './read-option-file';
export * from './request-context';
export * from './service-keys';
export * from './service-options';
export * from './tls-files';
export * from './trace-context';
