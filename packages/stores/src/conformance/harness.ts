import type { StoreCapabilities, StoreDriver } from '../store-driver';

/** One fresh, empty store. */
export interface StoreUnderTest {
  driver: StoreDriver;
  /** Names of everything the store holds, visible or not: blobs, temporary files, open sessions. */
  remains(): Promise<string[]>;
  /** Handles, sockets or readers the store holds open for downloads. */
  openReaders(): Promise<number>;
  /** Takes the device or server below the store away; `remains` is not asked afterwards. */
  takeAway(): Promise<void>;
  /** Puts a blob there by other means: needed only where the store cannot add. */
  place?(bytes: Uint8Array): Promise<string>;
  dispose(): Promise<void>;
}

export type ContractArea = 'add' | 'delete' | 'list' | 'get' | 'errors';

/** What `describeStoreConformance` needs to know of a driver. */
export interface StoreHarness {
  create(): Promise<StoreUnderTest>;
  /** Cases for abilities the driver lacks are skipped; a false statement fails. */
  capabilities: StoreCapabilities;
  /** False for a store that by nature keeps its blobs in the memory of this process. */
  boundedMemory: boolean;
  /** Locations the store must not touch, besides those every driver is tried with. */
  forgedLocations?: readonly string[];
  /** Parts of the contract to hold it to: for a variant that differs in these alone. All unless set. */
  areas?: readonly ContractArea[];
  /** The deadline of one test; the largest moves 64 MiB twice. */
  timeoutMs?: number;
}
