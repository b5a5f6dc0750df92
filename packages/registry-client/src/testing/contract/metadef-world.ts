import type {
  CreateMetadefNamespace,
  MetadefItemRequest,
  MetadefKind,
  MetadefNamespaceFields,
  MetadefNamespaceQuery,
} from '@glance/common';
import type { MetadefCatalogue } from '../../metadef-catalogue';
import type { CallContext } from '../../registry';
import type { ContractWorld } from './contract-world';

/** Namespaces of one case's world. */
export class MetadefWorld {
  readonly catalogue: MetadefCatalogue;
  private made = 0;

  constructor(readonly world: ContractWorld) {
    this.catalogue = world.registry.metadefs;
  }

  /** A name that no other case has. */
  name(word: string): string {
    return `OS::${word}::${this.world.mark}`;
  }

  fields(overrides: Partial<MetadefNamespaceFields> = {}): MetadefNamespaceFields {
    return {
      namespace: this.name(`n${++this.made}`),
      displayName: null,
      description: null,
      visibility: 'private',
      protected: false,
      owner: this.world.project,
      ...overrides,
    };
  }

  request(overrides: Partial<CreateMetadefNamespace> = {}): CreateMetadefNamespace {
    return {
      ...this.fields(),
      associations: [],
      objects: [],
      properties: [],
      tags: [],
      ...overrides,
    };
  }

  /** @returns the name */
  async create(
    overrides: Partial<CreateMetadefNamespace> = {},
    caller: CallContext = this.world.owner,
  ): Promise<string> {
    return (await this.catalogue.createNamespace(this.request(overrides), caller)).namespace;
  }

  async namesOf(namespace: string, kind: MetadefKind): Promise<string[]> {
    const query = { sortKey: 'id', sortDirection: 'asc' } as const;
    const items = await this.catalogue.listItems(namespace, kind, query, this.world.admin);
    return items.map(({ name }) => name);
  }

  /** The namespaces of this world that are listed, of all that are there. */
  async listed(
    query: Partial<MetadefNamespaceQuery> = {},
    caller: CallContext = this.world.owner,
  ): Promise<string[]> {
    const found = await this.catalogue.listNamespaces(
      { sortKey: 'created_at', sortDirection: 'asc', limit: 100_000, ...query },
      caller,
    );
    return found.map(({ namespace }) => namespace).filter((name) => name.includes(this.world.mark));
  }
}

export function anItem(
  kind: MetadefKind,
  name: string,
  overrides: Partial<MetadefItemRequest> = {},
): MetadefItemRequest {
  const schema = {
    objects: { cores: { title: 'Cores', type: 'integer' } },
    properties: { title: 'A title', type: 'string' },
    tags: null,
  }[kind];
  return { name, description: null, required: null, schema, ...overrides };
}

export function anAssociation(name: string, prefix: string | null = null) {
  return { name, prefix, propertiesTarget: null };
}
