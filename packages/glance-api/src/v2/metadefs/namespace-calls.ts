import type { MetadefNamespace } from '@glance/common';
import type { Registry } from '@glance/registry-client';
import type { Request } from 'express';
import { identityOf } from '../../auth/authenticate';
import { contextOf } from '../../auth/call-context';
import type { PolicyAction } from '../../policy/default-rules';
import { enforceOnNamespace } from '../../policy/metadef-access';
import type { Policy } from '../../policy/policy';

export interface MetadefOptions {
  registry: Registry;
  policy: Policy;
}

export const namespaceOf = (req: Request): string => String(req.params['namespace']);
export const nameOf = (req: Request): string => String(req.params['name']);
export const searchOf = (req: Request): URLSearchParams =>
  new URL(req.originalUrl, 'http://localhost').searchParams;

/**
 * The namespace that the path names, when the caller may do all of this with it.
 * @throws DomainError `not_found`, `forbidden`
 */
export async function findNamespace(
  { registry, policy }: MetadefOptions,
  req: Request,
  ...actions: PolicyAction[]
): Promise<MetadefNamespace> {
  const namespace = await registry.metadefs.getNamespace(namespaceOf(req), contextOf(req));
  enforceOnNamespace(policy, actions, identityOf(req), namespace);
  return namespace;
}
