import { randomUUID } from 'node:crypto';
import {
  METADEF_KINDS,
  toWireTime,
  type JsonObject,
  type MetadefAssociation,
  type MetadefItem,
  type MetadefKind,
  type MetadefNamespace,
  type MetadefNamespaceContent,
} from '@glance/common';
import { isAnnounced, type Announcing } from '../events/event-log';
import type { OutboxRepository } from '../events/outbox-repository';

/** What is announced of a change in the catalogue (metadefs sheet §9). */
export interface MetadefEvent {
  type: string;
  payload: Record<string, unknown>;
}

/** Announcements of the catalogue, in the transaction of the change, as EventLog makes those of images. */
export class MetadefEventLog {
  constructor(
    private readonly outbox: OutboxRepository,
    private readonly announcing: Announcing,
  ) {}

  /**
   * What is told of a namespace is told in its order.
   * @param events made only when somebody is told: they may be thousands.
   */
  async record(namespaceId: number, events: () => readonly MetadefEvent[]): Promise<void> {
    const { sinks } = this.announcing;
    if (sinks.length === 0) return;
    const messages = events()
      .filter(({ type }) => isAnnounced(this.announcing, type))
      .map(({ type, payload }) => ({
        messageId: randomUUID(),
        type,
        priority: 'INFO' as const,
        payload,
      }));
    await this.outbox.add(`metadef-namespace-${namespaceId}`, sinks, messages);
  }
}

type Change = 'create' | 'update' | 'delete';

/** @param nameBefore of one that was renamed */
export function namespaceEvent(
  change: Change | `delete_${MetadefKind}`,
  namespace: MetadefNamespace,
  nameBefore = namespace.namespace,
): MetadefEvent {
  return {
    type: `metadef_namespace.${change}`,
    payload: {
      namespace: namespace.namespace,
      namespace_old: nameBefore,
      display_name: namespace.displayName,
      protected: namespace.protected,
      visibility: namespace.visibility,
      owner: namespace.owner,
      description: namespace.description,
      ...timesOf(change, namespace),
    },
  };
}

/** All of what a creation has made. */
export function eventsOfCreation(content: MetadefNamespaceContent): MetadefEvent[] {
  const { namespace, associations } = content;
  return [
    namespaceEvent('create', content),
    ...associations.map((each) => associationEvent('create', namespace, each)),
    ...METADEF_KINDS.flatMap((kind) =>
      content[kind].map((each) => itemEvent('create', kind, namespace, each)),
    ),
  ];
}

const ITEM_EVENTS: Readonly<Record<MetadefKind, string>> = {
  objects: 'metadef_object',
  properties: 'metadef_property',
  tags: 'metadef_tag',
};

/** @param nameBefore of one that was renamed */
export function itemEvent(
  change: Change,
  kind: MetadefKind,
  namespace: string,
  item: MetadefItem,
  nameBefore = item.name,
): MetadefEvent {
  const { created_at, updated_at, ...deletion } = timesOf(change, item);
  return {
    type: `${ITEM_EVENTS[kind]}.${change}`,
    payload: {
      namespace,
      name: item.name,
      name_old: nameBefore,
      ...contentOf(kind, item),
      // Upstream's properties have no times.
      ...(kind === 'properties' ? {} : { created_at, updated_at }),
      ...deletion,
    },
  };
}

export function associationEvent(
  change: 'create' | 'delete',
  namespace: string,
  association: MetadefAssociation,
): MetadefEvent {
  return {
    type: `metadef_resource_type.${change}`,
    payload: {
      namespace,
      name: association.name,
      name_old: association.name,
      prefix: association.prefix,
      properties_target: association.propertiesTarget,
      ...timesOf(change, association),
    },
  };
}

function contentOf(kind: MetadefKind, item: MetadefItem): Record<string, unknown> {
  if (kind === 'tags') return {};
  if (kind === 'properties') return definitionOf(item.schema);
  return {
    properties: Object.entries(item.schema ?? {}).map(([name, definition]) => ({
      name,
      ...definitionOf(definition as JsonObject | null),
    })),
    required: item.required,
    description: item.description,
  };
}

const DEFINITION_KEYS = [
  'type',
  'title',
  'description',
  'default',
  'minimum',
  'maximum',
  'enum',
  'pattern',
  'minLength',
  'maxLength',
  'confidential',
  'items',
  'uniqueItems',
  'minItems',
  'maxItems',
  'additionalItems',
] as const;

function definitionOf(schema: JsonObject | null): Record<string, unknown> {
  return Object.fromEntries(DEFINITION_KEYS.map((key) => [key, schema?.[key] ?? null]));
}

function timesOf(
  change: string,
  { createdAt, updatedAt }: { createdAt: string; updatedAt: string | null },
): Record<'created_at' | 'updated_at' | 'deleted' | 'deleted_at', unknown> {
  const isGone = change.startsWith('delete');
  return {
    created_at: `${createdAt}Z`,
    updated_at: updatedAt === null ? null : `${updatedAt}Z`,
    deleted: isGone,
    deleted_at: isGone ? `${toWireTime(new Date())}Z` : null,
  };
}
