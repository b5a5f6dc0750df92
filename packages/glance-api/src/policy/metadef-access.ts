import { DomainError, type MetadefNamespace } from '@glance/common';
import type { Caller } from '../auth/caller';
import type { PolicyTarget } from './check';
import type { PolicyAction } from './default-rules';
import { notAuthorized, type Policy } from './policy';

/** A namespace of metadata definitions as policy rules see it (metadefs sheet §2). */
export function namespaceTarget({ owner, visibility }: MetadefNamespace): PolicyTarget {
  return new Map<string, unknown>([
    ['project_id', owner],
    ['owner', owner],
    ['visibility', visibility],
  ]);
}

/** Where there is no namespace yet: the caller's own project. */
export function callerTarget({ projectId }: Caller): PolicyTarget {
  return new Map<string, unknown>([['project_id', projectId]]);
}

/**
 * Refuses what the rules do not let the caller do with a namespace, or with what it holds. To whom
 * it may not be shown either it does not exist.
 * @throws DomainError `forbidden`, or `not_found`.
 */
export function enforceOnNamespace(
  policy: Policy,
  actions: readonly PolicyAction[],
  caller: Caller,
  namespace: MetadefNamespace,
): void {
  const target = namespaceTarget(namespace);
  const refused = actions.find((action) => !policy.permits(action, caller, target));
  if (refused === undefined) return;
  if (!policy.permits('get_metadef_namespace', caller, target)) {
    const { namespace: name } = namespace;
    throw new DomainError('not_found', `Namespace ${name} not found`, {
      details: { namespace: name },
    });
  }
  throw notAuthorized(refused);
}
