import { filesystemStore } from './drivers/filesystem/filesystem-driver';
import { httpStore } from './drivers/http/http-driver';
import { memoryStore } from './drivers/memory/memory-driver';
import { rbdStore } from './drivers/rbd/rbd-driver';
import { s3Store } from './drivers/s3/s3-driver';
import { sheepdogStore } from './drivers/sheepdog/sheepdog-driver';
import { swiftStore } from './drivers/swift/swift-driver';
import type { StoreType } from './store-driver';

export type StoreTypes = Readonly<Record<string, StoreType>>;

/** Every kind of store there is, by the type names of upstream's `enabled_backends` and `stores`. */
export const STORE_TYPES: StoreTypes = {
  file: filesystemStore,
  filesystem: filesystemStore,
  http: httpStore,
  memory: memoryStore,
  rbd: rbdStore,
  s3: s3Store,
  sheepdog: sheepdogStore,
  swift: swiftStore,
};
