import { MAX_JUDGED_BLOBS, describeError, isDomainError, type UnownedBlob } from '@glance/common';
import type { Registry } from '@glance/registry-client';
import type { Logger } from '@glance/service-kit';
import type { InstrumentedStore, StoredBlob, StoreSet } from '@glance/stores';
import { serviceContext } from '../auth/call-context';

/** More orphans than the larger of these are no left-overs: something is wrong. */
const PLAUSIBLE_ORPHANS = 10;
const PLAUSIBLE_SHARE = 0.01;

/** Projects of one call. */
const PAGE = 200;

const SWEEP_NAME = 'orphans';

export interface OrphanSweeperOptions {
  registry: Registry;
  stores: StoreSet;
  logger: Logger;
  /** Younger blobs are never removed. */
  minimumAgeSeconds: number;
  /** Nor are blobs that were first seen without an image less than this ago. */
  confirmAfterSeconds: number;
}

export interface OrphanRun {
  /** Otherwise nothing is removed: the run only looks, which counts as a pass. */
  remove: boolean;
  /** In each store; more are left to the next run. */
  maxDeletes: number;
  /** Remove although the findings are not plausible. */
  ignoreAnomaly?: boolean;
  onOrphan?: (orphan: Orphan) => void;
  /** Told how many blobs of a store were looked at so far. */
  onProgress?: (storeId: string, blobs: number) => void;
  isCancelled?: () => boolean;
}

export interface Orphan extends StoredBlob {
  storeId: string;
  /** Wire time. */
  firstSeenAt: string;
}

/** What a run found in one store. */
export interface OrphanReport {
  storeId: string;
  blobs: number;
  orphans: number;
  orphanBytes: number;
  /** Without an image too, and too young or seen too lately to be called orphans. */
  waiting: number;
  removed: number;
  removedBytes: number;
  /** Why nothing is removed unless it is forced, in words for the operator. */
  anomaly: string | undefined;
}

interface Survey extends Omit<OrphanReport, 'removed' | 'removedBytes' | 'anomaly'> {
  owned: number;
  /** Old or young: what the registry called orphans. */
  verdicts: number;
  /** The first orphans, as many as a run removes. */
  removable: Orphan[];
}

/**
 * Finds blobs that no image has and removes them (reliability sheet §9): what a database restored
 * from a backup, an upstream release or an operator left in the stores. Two looks at a blob must
 * lie apart, and the registry decides at both. Any number of runs may go on at once, beside all
 * other work; one that dies has removed nothing but orphans.
 */
export class OrphanSweeper {
  constructor(private readonly options: OrphanSweeperOptions) {}

  /** A run, unless any process of the service began one in the last interval. */
  async sweepIfDue(intervalSeconds: number, run: OrphanRun): Promise<OrphanReport[]> {
    const claim = { name: SWEEP_NAME, intervalSeconds };
    if (!(await this.options.registry.claimSweep(claim, serviceContext()))) return [];
    const reports = await this.sweep(run);
    for (const report of reports) this.tell(report);
    return reports;
  }

  /** One run over every store that can list and delete; one that fails does not stop the others. */
  async sweep(run: OrphanRun): Promise<OrphanReport[]> {
    const { stores, logger } = this.options;
    const reports: OrphanReport[] = [];
    for (const store of stores.list()) {
      if (!store.capabilities.list || !store.capabilities.delete) continue;
      try {
        reports.push(await this.sweepStore(store, run));
      } catch (error) {
        logger.warn(`The search for blobs without image in store ${store.id} broke off`, {
          error: describeError(error),
        });
      }
    }
    return reports;
  }

  private async sweepStore(store: InstrumentedStore, run: OrphanRun): Promise<OrphanReport> {
    const { owned, verdicts, removable, ...found } = await this.survey(store, run);
    const anomaly = anomalyOf({ ...found, owned, verdicts });
    const report = { ...found, removed: 0, removedBytes: 0, anomaly };
    if (anomaly !== undefined) {
      if (run.ignoreAnomaly !== true) {
        this.options.logger.error(`${anomaly} Nothing is removed.`);
        return report;
      }
      this.options.logger.info(`${anomaly} Going on as told.`);
    }
    if (run.remove) await this.removeAll(store, removable, run, report);
    return report;
  }

  private async survey(store: InstrumentedStore, run: OrphanRun): Promise<Survey> {
    const survey: Survey = {
      storeId: store.id,
      blobs: 0,
      orphans: 0,
      orphanBytes: 0,
      waiting: 0,
      owned: 0,
      verdicts: 0,
      removable: [],
    };
    for await (const batch of inBatches(this.blobsOf(store))) {
      if (run.isCancelled?.() === true) throw new Error('the service stops');
      const unowned = await this.judge(store, batch);
      for (const blob of batch) this.count(survey, blob, unowned.get(blob.name), run);
      run.onProgress?.(store.id, survey.blobs);
    }
    return survey;
  }

  private async *blobsOf(store: InstrumentedStore): AsyncGenerator<StoredBlob> {
    yield* store.listBlobs();
    if (store.capabilities.list !== 'by project') return;
    for (let after: string | undefined; ;) {
      const page = { limit: PAGE, ...(after !== undefined && { after }) };
      const projects = await this.options.registry.listProjects(page, serviceContext());
      for (const project of projects) yield* store.listBlobs(project);
      after = projects.at(-1);
      if (projects.length < PAGE) return;
    }
  }

  private count(
    survey: Survey,
    blob: StoredBlob,
    unowned: UnownedBlob | undefined,
    run: OrphanRun,
  ): void {
    survey.blobs += 1;
    if (unowned === undefined) {
      survey.owned += 1;
      return;
    }
    if (unowned.isOrphan) survey.verdicts += 1;
    if (!unowned.isOrphan || blob.ageSeconds < this.options.minimumAgeSeconds) {
      survey.waiting += 1;
      return;
    }
    const orphan = { ...blob, storeId: survey.storeId, firstSeenAt: unowned.firstSeenAt };
    survey.orphans += 1;
    survey.orphanBytes += blob.sizeBytes;
    if (survey.removable.length < run.maxDeletes) survey.removable.push(orphan);
    run.onOrphan?.(orphan);
  }

  /** Those without an image, by name. */
  private async judge(
    store: InstrumentedStore,
    blobs: readonly StoredBlob[],
  ): Promise<Map<string, UnownedBlob>> {
    const unowned = await this.options.registry.judgeBlobs(
      {
        storeId: store.id,
        confirmAfterSeconds: this.options.confirmAfterSeconds,
        blobs: blobs.map(({ name, locationUrl }) => ({ name, locationUrl })),
      },
      serviceContext(),
    );
    return new Map(unowned.map((each) => [each.name, each]));
  }

  private async removeAll(
    store: InstrumentedStore,
    orphans: readonly Orphan[],
    run: OrphanRun,
    report: OrphanReport,
  ): Promise<void> {
    for (let start = 0; start < orphans.length; start += MAX_JUDGED_BLOBS) {
      const batch = orphans.slice(start, start + MAX_JUDGED_BLOBS);
      // The listing may have taken hours: what counts is what the registry says now.
      const unowned = await this.judge(store, batch);
      for (const orphan of batch) {
        if (run.isCancelled?.() === true) return;
        if (unowned.get(orphan.name)?.isOrphan !== true) continue;
        if (!(await this.remove(store, orphan))) continue;
        report.removed += 1;
        report.removedBytes += orphan.sizeBytes;
      }
    }
  }

  /** @returns false when it is not this run that removed it. */
  private async remove(store: InstrumentedStore, orphan: Orphan): Promise<boolean> {
    const { logger } = this.options;
    const about = { store: store.id, image: orphan.imageId, blob: orphan.name };
    try {
      await store.delete(orphan.locationUrl);
    } catch (error) {
      if (isDomainError(error, 'store_blob_missing')) return false;
      if (isDomainError(error, 'store_unavailable')) throw error;
      logger.warn('A blob that no image has cannot be removed', {
        ...about,
        error: describeError(error),
      });
      return false;
    }
    const { sizeBytes, firstSeenAt } = orphan;
    logger.info('Removed a blob that no image has', { ...about, bytes: sizeBytes, firstSeenAt });
    return true;
  }

  /** The log of a run that nobody watches. */
  private tell({ storeId, orphans, orphanBytes, removed, waiting, anomaly }: OrphanReport): void {
    const { logger } = this.options;
    const left = orphans - removed;
    if (anomaly !== undefined || left === 0) {
      logger.info('Looked for blobs without image', { store: storeId, removed, waiting });
      return;
    }
    logger.warn(
      'A store holds blobs that no image has: `glance-manage store orphans` shows them, with ' +
        '--delete it removes them; [orphans] dry_run and max_deletes say what is removed without it',
      { store: storeId, orphans: left, removed, bytes: orphanBytes, waiting },
    );
  }
}

/** Findings for which an empty, foreign or restored database is the likelier reason. */
function anomalyOf({
  storeId,
  blobs,
  owned,
  verdicts,
}: Pick<Survey, 'storeId' | 'blobs' | 'owned' | 'verdicts'>): string | undefined {
  if (blobs > 0 && owned === 0) {
    return (
      `The registry knows none of the ${blobs} blobs in store ${storeId}: ` +
      'is its database empty or restored, or the store that of another deployment?'
    );
  }
  const plausible = Math.max(PLAUSIBLE_ORPHANS, Math.floor(blobs * PLAUSIBLE_SHARE));
  if (verdicts <= Math.min(plausible, owned)) return undefined;
  return (
    `${verdicts} of the ${blobs} blobs in store ${storeId} have no image, more than are plausible: ` +
    'is the database restored, or do other deployments share the store?'
  );
}

async function* inBatches(blobs: AsyncIterable<StoredBlob>): AsyncGenerator<StoredBlob[]> {
  let batch: StoredBlob[] = [];
  for await (const blob of blobs) {
    batch.push(blob);
    if (batch.length < MAX_JUDGED_BLOBS) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}
