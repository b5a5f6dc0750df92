export { describeStoreConformance } from './describe-store-conformance';
export type { StoreHarness, StoreUnderTest } from './harness';
export { patternBytes, patternSource, readAll, sourceOf } from './pattern';
