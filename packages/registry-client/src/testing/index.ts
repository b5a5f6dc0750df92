export * from './an-image';
export * from './contract/contract-harness';
export * from './fake-image';
export * from './fake-registry';
export * from './registry-contract';
export * from './tls-fixture';
