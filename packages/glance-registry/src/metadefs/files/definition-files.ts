import { readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { BadMetadefFile, describeError, readMetadefFile, type MetadefFile } from '@glance/common';
import { parseJson } from '@glance/service-kit';

/** A file of definitions, read and found good. */
export interface DefinitionFile {
  path: string;
  content: MetadefFile;
}

/** Ends a command: what is wrong, and with which file. */
export class DefinitionFilesError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'DefinitionFilesError';
  }
}

const MAX_DEPTH = 30;
const MAX_KEYS = 20_000;

/**
 * One file, or each `*.json` of a directory, in the order of their names.
 * @throws DefinitionFilesError that names every file that is no good, with place and reason.
 */
export async function readDefinitionFiles(source: string): Promise<DefinitionFile[]> {
  const files: DefinitionFile[] = [];
  const faults: string[] = [];
  for (const each of await pathsOf(source)) {
    try {
      files.push({ path: each, content: await readDefinitionFile(each) });
    } catch (error) {
      if (!(error instanceof BadMetadefFile)) throw error;
      faults.push(`${each}: ${error.message}`);
    }
  }
  if (faults.length > 0) throw new DefinitionFilesError(faults.join('\n'));
  return files;
}

async function pathsOf(source: string): Promise<string[]> {
  try {
    if ((await stat(source)).isFile()) return [source];
    const entries = await readdir(source, { withFileTypes: true });
    const names = entries
      .filter((each) => each.name.endsWith('.json') && !each.isDirectory())
      .map(({ name }) => name)
      .sort();
    if (names.length > 0) return names.map((name) => path.join(source, name));
  } catch (error) {
    throw new DefinitionFilesError(`${source} cannot be read: ${describeError(error)}`, {
      cause: error,
    });
  }
  throw new DefinitionFilesError(`There is no file of definitions (*.json) in ${source}`);
}

async function readDefinitionFile(file: string): Promise<MetadefFile> {
  const bytes = await readFile(file).catch((error: unknown) => {
    throw new BadMetadefFile('', `cannot be read: ${describeError(error)}`);
  });
  let document: unknown;
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    document = parseJson(text, MAX_DEPTH, MAX_KEYS);
  } catch (error) {
    const { cause } = error as Error;
    throw new BadMetadefFile('', `no JSON in UTF-8: ${describeError(cause ?? error)}`);
  }
  return readMetadefFile(document);
}
