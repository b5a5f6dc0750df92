import { DomainError } from '@glance/common';
import type { TrustedProxies } from '@glance/service-kit';
import type { Request } from 'express';
import { parseRoles, type Authenticator } from './authenticate';
import type { Credentials } from './caller';

/**
 * Flavor trusted-auth: an authenticating proxy in front sets the identity headers and removes
 * those of the client (api-v1 sheet §7). Those that others than `proxies` send count as none.
 */
export function trustedAuth(proxies: TrustedProxies): Authenticator {
  return (req) => {
    if (!proxies.isEmpty && !proxies.has(req.socket.remoteAddress)) return undefined;
    return identityHeaders(req);
  };
}

function identityHeaders(req: Request): Credentials | undefined {
  const status = header(req, 'x-identity-status');
  if (status === undefined) return undefined;
  if (status !== 'Confirmed') {
    throw new DomainError('unauthenticated', 'The identity of the caller is not confirmed');
  }
  const projectId =
    header(req, 'x-project-id') ?? header(req, 'x-tenant-id') ?? header(req, 'x-tenant') ?? null;
  return {
    userId: header(req, 'x-user-id') ?? header(req, 'x-user') ?? null,
    projectId,
    roles: parseRoles(header(req, 'x-roles') ?? header(req, 'x-role') ?? ''),
    readOnly: false,
    serviceRoles: parseRoles(header(req, 'x-service-roles') ?? ''),
    userDomainId: header(req, 'x-user-domain-id') ?? null,
    projectDomainId: header(req, 'x-project-domain-id') ?? null,
    isAdminProject: header(req, 'x-is-admin-project')?.toLowerCase() !== 'false',
    tokenScope: tokenScope(req, projectId),
  };
}

function tokenScope(req: Request, projectId: string | null): Credentials['tokenScope'] {
  if (header(req, 'openstack-system-scope') !== undefined) return 'system';
  return projectId === null && header(req, 'x-domain-id') !== undefined ? 'domain' : 'project';
}

function header(req: Request, name: string): string | undefined {
  const value = req.get(name);
  return value === '' ? undefined : value;
}
