import { DomainError } from '../errors';
import type { MetadefKind } from './metadef-types';

/** What one of a kind is called in messages. */
export const METADEF_WORDS: Readonly<Record<MetadefKind, string>> = {
  objects: 'object',
  properties: 'property',
  tags: 'tag',
};

/** Also for a namespace that the caller may not see. */
export function metadefNamespaceNotFound(namespace: string): DomainError {
  return new DomainError('not_found', `Namespace ${namespace} not found`, {
    details: { namespace },
  });
}

export function metadefItemNotFound(
  kind: MetadefKind,
  name: string,
  namespace: string,
): DomainError {
  return new DomainError(
    'not_found',
    `The metadata definition ${METADEF_WORDS[kind]} with name=${name} was not found in namespace=${namespace}.`,
  );
}

export function metadefAssociationNotFound(resourceType: string): DomainError {
  return new DomainError('not_found', `Failed to find resource type ${resourceType} to delete`);
}

export function metadefNamespaceExists(namespace: string): DomainError {
  return new DomainError(
    'conflict',
    `The metadata definition namespace=${namespace} already exists.`,
  );
}

export function metadefItemExists(kind: MetadefKind, name: string, namespace: string): DomainError {
  return new DomainError(
    'conflict',
    `A metadata definition ${METADEF_WORDS[kind]} with name=${name} already exists in namespace=${namespace}.`,
  );
}

export function metadefAssociationExists(resourceType: string, namespace: string): DomainError {
  return new DomainError(
    'conflict',
    `The metadata definition resource-type association of resource-type=${resourceType} to namespace=${namespace} already exists.`,
  );
}

/** @param what is not deleted, as it begins a sentence */
export function metadefProtected(what: string): DomainError {
  return new DomainError('forbidden', `${what} is protected and cannot be deleted.`);
}

export function metadefNotYours(namespace: string): DomainError {
  return new DomainError('forbidden', `You are not permitted to change namespace ${namespace}`);
}

export function metadefOwnerRefused(): DomainError {
  return new DomainError('forbidden', 'Only an admin may give a namespace to another project');
}
