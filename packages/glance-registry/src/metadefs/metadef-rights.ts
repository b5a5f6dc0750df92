import {
  metadefNamespaceNotFound,
  metadefNotYours,
  metadefOwnerRefused,
  metadefProtected,
  type Identity,
} from '@glance/common';
import { mayOnlyRead, projectOf } from '../images/visibility';
import type { NamespaceRow } from './metadef-rows';

/** Who may do what with a namespace and what it holds (metadefs sheet §3). */

/** @throws DomainError `not_found` also for one that the caller does not see */
export function requireVisible(
  row: NamespaceRow | undefined,
  namespace: string,
  identity: Identity,
): NamespaceRow {
  if (row && (identity.isAdmin || row.visibility === 'public' || row.owner === null)) return row;
  if (row && isOwner(row, identity)) return row;
  throw metadefNamespaceNotFound(namespace);
}

/** @throws DomainError `not_found`; `forbidden` for whoever sees it and is not its owner */
export function requireWritable(
  row: NamespaceRow | undefined,
  namespace: string,
  identity: Identity,
): NamespaceRow {
  checkMayWrite(identity);
  const visible = requireVisible(row, namespace, identity);
  if (identity.isAdmin || isOwner(visible, identity)) return visible;
  throw metadefNotYours(namespace);
}

/** @param what is to be removed, for the message */
export function requireRemovable(
  row: NamespaceRow | undefined,
  namespace: string,
  identity: Identity,
  what: string,
): NamespaceRow {
  const writable = requireWritable(row, namespace, identity);
  if (writable.protected === 1) throw metadefProtected(what);
  return writable;
}

export function checkMayWrite(identity: Identity): void {
  if (identity.readOnly) throw mayOnlyRead();
}

export function checkMayGiveTo(identity: Identity, owner: string): void {
  if (identity.isAdmin || owner === projectOf(identity)) return;
  throw metadefOwnerRefused();
}

function isOwner({ owner }: NamespaceRow, identity: Identity): boolean {
  return owner !== null && owner === projectOf(identity);
}
