import type { Registry } from '@glance/registry-client';
import { RepeatedTask, type Logger } from '@glance/service-kit';
import type { StoreSet } from '@glance/stores';
import type { ApiConfig } from './config';
import { AccessSweeper } from './images/access-sweeper';
import { DeletionSweeper } from './images/deletion-sweeper';
import { OrphanSweeper } from './images/orphan-sweeper';
import { areTold } from './images/store-access';
import type { WorkArea } from './imports/preparation/work-area';
import type { StagingArea } from './imports/staging-area';
import { UnfinishedSweeper } from './images/unfinished-sweeper';

/** What repairs the stores, in the service and by hand. */
export interface Sweepers {
  unfinished: UnfinishedSweeper;
  deletions: DeletionSweeper;
  orphans: OrphanSweeper;
  /** None where no store keeps access lists. */
  access: AccessSweeper | undefined;
}

interface SweeperParts {
  registry: Registry;
  stores: StoreSet;
  /** Of this node; none where nothing is ever staged. */
  staging?: StagingArea;
  /** Of this node; none where nothing is imported. */
  work?: WorkArea;
  /** Where exports go; undefined where there are none. */
  exports?: StagingArea | undefined;
  logger: Logger;
}

export function createSweepers(
  { DEFAULT: options, orphans }: ApiConfig,
  parts: SweeperParts,
): Sweepers {
  return {
    unfinished: new UnfinishedSweeper(parts),
    deletions: new DeletionSweeper({
      ...parts,
      graceSeconds: options.deletion_grace,
      scrubAfterSeconds: options.scrub_time,
      poolSize: options.scrub_pool_size,
    }),
    orphans: new OrphanSweeper({
      ...parts,
      minimumAgeSeconds: orphans.minimum_age,
      confirmAfterSeconds: orphans.confirm_after,
    }),
    access: areTold(parts.stores) ? new AccessSweeper(parts) : undefined,
  };
}

/** Asked so often, a run begins at most a tenth of its interval late, whatever process does it. */
const ASKED_PER_INTERVAL = 10;

/** Staged data goes so soon after its import has ended, or its image was deleted. */
const STAGING_INTERVAL_SECONDS = 30;

/** The sweepers at work beside the requests. */
export function sweeperTasks(
  config: ApiConfig,
  sweepers: Sweepers,
  logger: Logger,
): RepeatedTask[] {
  const { sweep_interval: intervalSeconds, dry_run: dryRun, max_deletes: max } = config.orphans;
  const orphans: RepeatedTask = new RepeatedTask({
    id: 'orphans',
    name: 'The search for blobs without image',
    intervalMs: (intervalSeconds * 1000) / ASKED_PER_INTERVAL,
    logger,
    work: () =>
      sweepers.orphans.sweepIfDue(intervalSeconds, {
        remove: !dryRun,
        maxDeletes: max,
        isCancelled: () => orphans.isClosed,
      }),
  });
  return [
    ...accessTasks(config.transfer.access_sweep_interval, sweepers, logger),
    new RepeatedTask({
      id: 'unfinished',
      name: 'The search for what uploads left behind',
      intervalMs: config.transfer.sweep_interval * 1000,
      logger,
      work: () => sweepers.unfinished.sweep(),
    }),
    new RepeatedTask({
      id: 'staging',
      name: 'The search for staged data that nobody waits for',
      intervalMs: Math.min(STAGING_INTERVAL_SECONDS, config.transfer.sweep_interval) * 1000,
      logger,
      work: () => sweepers.unfinished.sweepStaging(),
    }),
    new RepeatedTask({
      id: 'deletions',
      name: 'The search for deletions to finish',
      intervalMs: config.DEFAULT.wakeup_time * 1000,
      logger,
      work: () => sweepers.deletions.sweep(),
    }),
    ...(intervalSeconds === 0 ? [] : [orphans]),
  ];
}

function accessTasks(
  intervalSeconds: number,
  { access }: Sweepers,
  logger: Logger,
): RepeatedTask[] {
  if (!access || intervalSeconds === 0) return [];
  const task: RepeatedTask = new RepeatedTask({
    id: 'access',
    name: 'The sweep that tells stores who reads each image',
    intervalMs: (intervalSeconds * 1000) / ASKED_PER_INTERVAL,
    logger,
    work: () => access.sweepIfDue(intervalSeconds, () => task.isClosed),
  });
  return [task];
}
