import { DomainError } from '@glance/common';
import type { Request } from 'express';
import { hasAdminRole, parseRoles, type Authenticator } from './authenticate';

/**
 * Flavor trusted-auth: an authenticating proxy in front sets the identity headers and removes
 * those of the client (api-v1 sheet §7).
 */
export function trustedAuth(adminRole: string): Authenticator {
  return (req) => {
    const status = header(req, 'x-identity-status');
    if (status === undefined) return undefined;
    if (status !== 'Confirmed') {
      throw new DomainError('unauthenticated', 'The identity of the caller is not confirmed');
    }
    const roles = parseRoles(header(req, 'x-roles') ?? header(req, 'x-role') ?? '');
    return {
      userId: header(req, 'x-user-id') ?? header(req, 'x-user') ?? null,
      projectId:
        header(req, 'x-project-id') ??
        header(req, 'x-tenant-id') ??
        header(req, 'x-tenant') ??
        null,
      roles,
      isAdmin: hasAdminRole(roles, adminRole),
      readOnly: false,
    };
  };
}

function header(req: Request, name: string): string | undefined {
  const value = req.get(name);
  return value === '' ? undefined : value;
}
