import { upstreamSchema } from './20261121000000-upstream-schema';
import { registryTables } from './20261121000100-registry-tables';
import { registryIndexes } from './20261121000200-registry-indexes';
import { copies } from './20261121000210-copies';
import { orphans } from './20261121000220-orphans';
import { idOrderIndexes } from './20261121000230-id-order-indexes';
import { copyChecks } from './20261121000240-copy-checks';
import { removals } from './20261121000250-removals';
import { imports } from './20261121000260-imports';
import { scrubs } from './20261122000270-scrubs';
import { events } from './20261122000280-events';
import { importColumns } from './20261122000290-import-columns';
import { checkTasks } from './20261122000295-check-tasks';
import { locationStoreKey } from './20261121000300-location-store-key';
import { contractHead } from './20261121000400-contract-head';
import type { Migration } from './migration';

/** Every migration in order; within it the phases never go back. */
export const MIGRATIONS: readonly Migration[] = [
  upstreamSchema,
  registryTables,
  registryIndexes,
  copies,
  orphans,
  idOrderIndexes,
  copyChecks,
  removals,
  imports,
  scrubs,
  events,
  importColumns,
  checkTasks,
  locationStoreKey,
  contractHead,
];
