import type { ApiConfig } from '../config';
import type { Orphan, OrphanReport } from '../images/orphan-sweeper';
import type { Sweepers } from '../sweepers';
import type { StoreCommandName, StoreCommandOptions } from './store-command-line';

export interface StoreCommandContext {
  config: ApiConfig;
  sweepers: Sweepers;
  options: StoreCommandOptions;
  /** A line for the operator. */
  print: (line: string) => void;
  /** How far long work is; goes nowhere unless somebody watches. */
  report: (line: string) => void;
}

const PROGRESS_EVERY_BLOBS = 1000;

/** Every command. What goes wrong is in the log of the sweepers. */
export const STORE_COMMANDS: Readonly<
  Record<StoreCommandName, (context: StoreCommandContext) => Promise<void>>
> = {
  async unfinished({ sweepers, print }) {
    const removed = await sweepers.unfinished.sweep();
    print(`Removed what ${removed} uploads left behind.`);
  },

  async deletions({ sweepers, print }) {
    const finished = await sweepers.deletions.sweep();
    print(`Finished ${finished} deletions.`);
  },

  async orphans({ config, sweepers, options, print, report }) {
    const remove = options.has('delete');
    const reports = await sweepers.orphans.sweep({
      remove,
      maxDeletes: readMaxDeletes(options.get('max_deletes')) ?? config.orphans.max_deletes,
      ignoreAnomaly: options.has('force'),
      onProgress: (storeId, blobs) => {
        if (blobs % PROGRESS_EVERY_BLOBS === 0) report(`store ${storeId}: ${blobs} blobs compared`);
      },
      ...(remove ? {} : { onOrphan: (orphan: Orphan) => print(describeOrphan(orphan)) }),
    });
    for (const each of reports) print(describeReport(each, remove));
  },
};

function readMaxDeletes(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = /^\d{1,6}$/.test(text) ? Number(text) : 0;
  if (value < 1 || value > 100_000) {
    throw new Error(`Invalid int value for max_deletes: ${text}`);
  }
  return value;
}

function describeOrphan({ storeId, imageId, name, sizeBytes, firstSeenAt }: Orphan): string {
  return `store=${storeId} image=${imageId} bytes=${sizeBytes} first_seen=${firstSeenAt} blob=${name}`;
}

function describeReport(report: OrphanReport, remove: boolean): string {
  const { storeId, blobs, orphans, orphanBytes, waiting, removed, removedBytes } = report;
  const found = `Store ${storeId}: ${orphans} of ${blobs} blobs are orphans, of ${orphanBytes} bytes; ${waiting} more without an image are too young or were first seen too lately.`;
  const rest = remove
    ? `Removed ${removed} blobs of ${removedBytes} bytes.`
    : 'Nothing is removed without --delete.';
  return `${found} ${rest}`;
}
