export { InstrumentedStore } from './instrumented-store';
export type { StoreIdentity } from './instrumented-store';
export { createWebReader } from './drivers/http/web-reader';
export type { WebReaderRules } from './drivers/http/web-reader';
export { filesystemStore as FILE_STORE } from './drivers/filesystem/filesystem-driver';
export { readBlob } from './drivers/filesystem/read-blob';
export type { ReadableFile } from './drivers/filesystem/read-blob';
export { MemoryDriver } from './drivers/memory/memory-driver';
export { isExternalLocation, parseSourceUrl } from './outbound/source-url';
export type { SourceUrl } from './outbound/source-url';
export { StoreConfigurationError } from './store-configuration-error';
export { parseBlobName } from './store-driver';
export type * from './store-driver';
export type { OperationMetrics, StoreMetrics, StoreOperation } from './store-metrics';
export type { StoreOptionTable, StoreOption, StoreOptions } from './store-options';
export { StoreSet } from './store-set';
export type { StoreConfig, StoreInfo, StoreSetConfig, StoreSetEnvironment } from './store-set';
export {
  TRANSFER_MEMORY_BYTES,
  giveBackTransferMemory,
  takeTransferMemory,
} from './transfer-memory';
export { STORE_TYPES } from './store-types';
export type { StoreTypes } from './store-types';
