import type { TransactionRunner } from '../db/transaction';
import { readDefinitionFiles } from '../metadefs/files/definition-files';
import { exportDefinitions } from '../metadefs/files/export-definitions';
import { loadDefinitions, type LoadMode } from '../metadefs/files/load-definitions';
import type { Repositories } from '../repositories';
import { CommandFailure } from './command-failure';

export interface MetadefCommandContext {
  transactions: TransactionRunner<Repositories>;
  /** `[DEFAULT] metadata_source_path` */
  sourcePath: string;
  values: ReadonlyMap<string, string>;
  print: (line: string) => void;
}

/** `db load_metadefs`: all files, or nothing of any. */
export async function loadMetadefs(context: MetadefCommandContext): Promise<number> {
  const { transactions, print } = context;
  const mode = readMode(context.values);
  const source = pathOf(context);
  const files = await readDefinitionFiles(source);
  const { loaded, skipped } = await loadDefinitions(transactions, files, mode);
  for (const namespace of skipped) {
    print(`Skipping namespace ${namespace}. It already exists in the database.`);
  }
  print(`Loaded ${loaded.length} of ${files.length} files of ${source}.`);
  return 0;
}

/** `db unload_metadefs`: nothing is left, whoever made it. */
export async function unloadMetadefs({
  transactions,
  print,
}: MetadefCommandContext): Promise<number> {
  const cleared = await transactions.write({}, ({ metadefNamespaces }) =>
    metadefNamespaces.clearAll(),
  );
  for (const table of cleared) print(`Table ${table} has been cleared`);
  return 0;
}

/** `db export_metadefs` */
export async function exportMetadefs(context: MetadefCommandContext): Promise<number> {
  const files = await exportDefinitions(context.transactions, pathOf(context));
  for (const { namespace, path } of files) context.print(`Namespace ${namespace} saved in ${path}`);
  return 0;
}

function pathOf({ values, sourcePath }: MetadefCommandContext): string {
  const given = values.get('path') ?? '';
  return given === '' ? sourcePath : given;
}

/** Any text stands for yes, as upstream's old spelling has it. */
function readMode(values: ReadonlyMap<string, string>): LoadMode {
  const isGiven = (name: string): boolean => (values.get(name) ?? '') !== '';
  const prefersNew = isGiven('prefer_new');
  const overwrites = isGiven('overwrite');
  if (prefersNew && overwrites) {
    throw new CommandFailure('Give one of --prefer_new and --overwrite, not both.');
  }
  if ((prefersNew || overwrites) && !isGiven('merge')) {
    throw new CommandFailure('--prefer_new and --overwrite are for use with --merge.');
  }
  if (prefersNew) return 'prefer_new';
  if (overwrites) return 'overwrite';
  return isGiven('merge') ? 'merge' : 'skip';
}
