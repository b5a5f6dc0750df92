import type { Identity } from '@glance/common';
import type { Repositories } from '../repositories';
import { requireRemovable, requireVisible, requireWritable } from './metadef-rights';
import type { NamespaceRow } from './metadef-rows';

/** A namespace that the caller reads. */
export async function visible(
  { metadefNamespaces }: Repositories,
  namespace: string,
  identity: Identity,
): Promise<NamespaceRow> {
  return requireVisible(await metadefNamespaces.find(namespace), namespace, identity);
}

/** Locked, as everything that is to be changed. */
export async function writable(
  { metadefNamespaces }: Repositories,
  namespace: string,
  identity: Identity,
): Promise<NamespaceRow> {
  return requireWritable(await metadefNamespaces.lock(namespace), namespace, identity);
}

export async function removable(
  { metadefNamespaces }: Repositories,
  namespace: string,
  identity: Identity,
  what: string,
): Promise<NamespaceRow> {
  return requireRemovable(await metadefNamespaces.lock(namespace), namespace, identity, what);
}
