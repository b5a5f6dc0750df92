import {
  isDomainError,
  METADEF_KINDS,
  type MetadefItemRequest,
  type MetadefKind,
  type MetadefNamespaceFields,
} from '@glance/common';
import type { TransactionRunner } from '../../db/transaction';
import type { Repositories } from '../../repositories';
import type { NamespaceRow } from '../metadef-rows';
import { DefinitionFilesError, type DefinitionFile } from './definition-files';

/** What becomes of a namespace that is there already (metadefs sheet §8). */
export type LoadMode =
  | 'skip'
  /** What it lacks is added. */
  | 'merge'
  /** What it has is replaced, too. */
  | 'prefer_new'
  /** It is deleted first, with all that it holds. */
  | 'overwrite';

export interface LoadOutcome {
  loaded: string[];
  /** They are there already. */
  skipped: string[];
}

/** Of files that name none. */
const DEFAULT_OWNER = 'admin';

/**
 * Loads files in one transaction: all of them, or nothing.
 * @throws DefinitionFilesError that names the file that cannot be loaded
 */
export async function loadDefinitions(
  transactions: TransactionRunner<Repositories>,
  files: readonly DefinitionFile[],
  mode: LoadMode,
): Promise<LoadOutcome> {
  return await transactions.write({}, async (repositories) => {
    const now = await repositories.metadefNamespaces.now();
    const outcome: LoadOutcome = { loaded: [], skipped: [] };
    for (const file of files) {
      try {
        const isLoaded = await new FileLoad(repositories, now, mode).run(file);
        outcome[isLoaded ? 'loaded' : 'skipped'].push(file.content.namespace);
      } catch (error) {
        if (!isDomainError(error, 'conflict', 'invalid_request')) throw error;
        throw new DefinitionFilesError(`${file.path}: ${error.message}`, { cause: error });
      }
    }
    return outcome;
  });
}

class FileLoad {
  constructor(
    private readonly repositories: Repositories,
    private readonly now: string,
    private readonly mode: LoadMode,
  ) {}

  /** @returns false when the namespace is skipped */
  async run({ content }: DefinitionFile): Promise<boolean> {
    const { associations, objects, properties, tags, ...base } = content;
    const fields = { ...base, owner: base.owner ?? DEFAULT_OWNER };
    const { metadefNamespaces } = this.repositories;
    const known = await metadefNamespaces.lock(fields.namespace);
    if (known && this.mode === 'skip') return false;
    const row = await this.namespaceFor(known, fields);
    const isNew = known === undefined || this.mode === 'overwrite';
    await this.associate(row, associations, isNew);
    const items = { objects, properties, tags };
    for (const kind of METADEF_KINDS) await this.add(row, kind, items[kind], isNew);
    return true;
  }

  private async namespaceFor(
    known: NamespaceRow | undefined,
    fields: MetadefNamespaceFields,
  ): Promise<NamespaceRow> {
    const { metadefNamespaces } = this.repositories;
    if (known && this.mode !== 'overwrite') {
      if (this.mode === 'prefer_new') await metadefNamespaces.update(known.id, fields, this.now);
      return known;
    }
    if (known) await metadefNamespaces.delete(known.id);
    return await metadefNamespaces.insert(fields, this.now, null);
  }

  private async associate(
    row: NamespaceRow,
    associations: DefinitionFile['content']['associations'],
    isNew: boolean,
  ): Promise<void> {
    const { metadefAssociations } = this.repositories;
    const missing = [];
    for (const each of associations) {
      if (isNew || !(await metadefAssociations.find(row.id, each.name))) missing.push(each);
      else if (this.mode === 'prefer_new') await metadefAssociations.update(row.id, each, this.now);
    }
    await metadefAssociations.insert(row.id, row.namespace, missing, {
      createdAt: this.now,
      updatedAt: null,
      typesAreProtected: true,
    });
  }

  private async add(
    row: NamespaceRow,
    kind: MetadefKind,
    items: readonly MetadefItemRequest[],
    isNew: boolean,
  ): Promise<void> {
    const { metadefItems } = this.repositories;
    if (isNew) {
      await metadefItems.insert(row, kind, items, this.now, null);
      return;
    }
    const known = await metadefItems.findKnown(
      row.id,
      kind,
      items.map(({ name }) => name),
    );
    const missing = items.filter(({ name }) => !known.has(name));
    await metadefItems.insert(row, kind, missing, this.now, null);
    if (this.mode !== 'prefer_new') return;
    for (const each of items) {
      const id = known.get(each.name);
      if (id !== undefined) await metadefItems.update(row, kind, id, each, this.now);
    }
  }
}
