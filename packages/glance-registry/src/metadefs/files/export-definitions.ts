import { rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describeError, SERVICE_IDENTITY, type MetadefNamespaceContent } from '@glance/common';
import type { TransactionRunner } from '../../db/transaction';
import type { Repositories } from '../../repositories';
import { contentOf } from '../metadef-content';
import { DefinitionFilesError } from './definition-files';

const ALL = { sortKey: 'namespace', sortDirection: 'asc', limit: 1_000_000 } as const;

export interface ExportedFile {
  namespace: string;
  path: string;
}

/**
 * Writes a file for each namespace, which `loadDefinitions` makes the same of. Each appears whole.
 * @throws DefinitionFilesError for a directory that cannot be written to
 */
export async function exportDefinitions(
  transactions: TransactionRunner<Repositories>,
  directory: string,
): Promise<ExportedFile[]> {
  const rows = await transactions.read({}, ({ metadefNamespaces }) =>
    metadefNamespaces.list(ALL, undefined, SERVICE_IDENTITY),
  );
  const taken = new Set<string>();
  const files: ExportedFile[] = [];
  for (const row of rows) {
    const content = await transactions.read({}, (repositories) => contentOf(repositories, row));
    const file = path.join(directory, `${fileNameFor(content, taken)}.json`);
    try {
      await writeFile(`${file}.part`, `${JSON.stringify(documentOf(content), null, 4)}\n`);
      await rename(`${file}.part`, file);
    } catch (error) {
      throw new DefinitionFilesError(`${file} cannot be written: ${describeError(error)}`, {
        cause: error,
      });
    }
    files.push({ namespace: content.namespace, path: file });
  }
  return files;
}

/** By display name, as upstream; by namespace where another namespace of this export has that name. */
function fileNameFor(
  { displayName, namespace }: MetadefNamespaceContent,
  taken: Set<string>,
): string {
  const base = wordOf(namespace) || 'namespace';
  const candidates = [wordOf(displayName ?? ''), base].filter((each) => each !== '');
  // Some file systems do not tell cases apart.
  const isFree = (name: string): boolean => !taken.has(name.toLowerCase());
  let name = candidates.find(isFree);
  for (let number = 2; name === undefined; number += 1) {
    if (isFree(`${base}${number}`)) name = `${base}${number}`;
  }
  taken.add(name.toLowerCase());
  return name;
}

function wordOf(text: string): string {
  return text.replace(/[^\p{L}\p{N}]+/gu, '');
}

/** Upstream's format, with the owner and what objects require, which its loader passes over. */
function documentOf(content: MetadefNamespaceContent): Record<string, unknown> {
  return {
    namespace: content.namespace,
    display_name: content.displayName,
    description: content.description,
    visibility: content.visibility,
    protected: content.protected,
    ...(content.owner === null ? {} : { owner: content.owner }),
    resource_type_associations: content.associations.map(({ name, prefix, propertiesTarget }) => ({
      name,
      prefix,
      properties_target: propertiesTarget,
    })),
    properties: Object.fromEntries(content.properties.map(({ name, schema }) => [name, schema])),
    objects: content.objects.map(({ name, description, required, schema }) => ({
      name,
      description,
      ...(required === null ? {} : { required }),
      properties: schema,
    })),
    tags: content.tags.map(({ name }) => ({ name })),
  };
}
