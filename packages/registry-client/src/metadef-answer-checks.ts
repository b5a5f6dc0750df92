import type {
  AppliedMetadefProperty,
  ListedMetadefNamespace,
  MetadefAssociation,
  MetadefItem,
  MetadefNamespace,
  MetadefNamespaceContent,
  MetadefResourceType,
} from '@glance/common';
import {
  decoder,
  isFlag,
  isRecord,
  isText,
  isTime,
  listOf,
  matches,
  oneOf,
  orNull,
} from './answer-checks';

const times = { createdAt: isTime, updatedAt: orNull(isTime) };

const namespaceChecks = {
  namespace: isText,
  displayName: orNull(isText),
  description: orNull(isText),
  visibility: oneOf(['public', 'private']),
  protected: isFlag,
  owner: orNull(isText),
  ...times,
};
const isNamespace = matches<MetadefNamespace>(namespaceChecks);

const isAssociation = matches<MetadefAssociation>({
  name: isText,
  prefix: orNull(isText),
  propertiesTarget: orNull(isText),
  ...times,
});

const isItem = matches<MetadefItem>({
  name: isText,
  description: orNull(isText),
  required: orNull(listOf(isText)),
  schema: orNull(isRecord),
  ...times,
});

const listedChecks = { ...namespaceChecks, associations: listOf(isAssociation) };

export const decodeMetadefNamespaces = decoder<{ namespaces: ListedMetadefNamespace[] }>(
  'list of metadata namespaces',
  matches({ namespaces: listOf(matches<ListedMetadefNamespace>(listedChecks)) }),
);

export const decodeMetadefNamespace = decoder<{ namespace: MetadefNamespace }>(
  'metadata namespace',
  matches({ namespace: isNamespace }),
);

export const decodeMetadefContent = decoder<{ content: MetadefNamespaceContent }>(
  'content of a metadata namespace',
  matches({
    content: matches<MetadefNamespaceContent>({
      ...listedChecks,
      objects: listOf(isItem),
      properties: listOf(isItem),
      tags: listOf(isItem),
    }),
  }),
);

export const decodeMetadefResourceTypes = decoder<{ resourceTypes: MetadefResourceType[] }>(
  'list of resource types',
  matches({
    resourceTypes: listOf(
      matches<MetadefResourceType>({ name: isText, protected: isFlag, ...times }),
    ),
  }),
);

export const decodeMetadefAssociations = decoder<{ associations: MetadefAssociation[] }>(
  'list of associations',
  matches({ associations: listOf(isAssociation) }),
);

export const decodeMetadefAssociation = decoder<{ association: MetadefAssociation }>(
  'association of a resource type',
  matches({ association: isAssociation }),
);

export const decodeMetadefItems = decoder<{ items: MetadefItem[] }>(
  'list of metadata definitions',
  matches({ items: listOf(isItem) }),
);

export const decodeMetadefItem = decoder<{ item: MetadefItem }>(
  'metadata definition',
  matches({ item: isItem }),
);

export const decodeAppliedMetadefs = decoder<{ properties: AppliedMetadefProperty[] }>(
  'list of properties that apply',
  matches({
    properties: listOf(
      matches<AppliedMetadefProperty>({ namespace: isText, name: isText, schema: isRecord }),
    ),
  }),
);

/** Of a removal: that there is an answer says all. */
export const decodeMetadefRemoval = decoder<Record<string, never>>('end of a removal', (value) =>
  isRecord(value),
);
