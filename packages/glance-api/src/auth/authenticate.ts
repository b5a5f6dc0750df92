import { ANONYMOUS, DomainError, type Identity } from '@glance/common';
import { currentRequest } from '@glance/service-kit';
import type { Request, RequestHandler } from 'express';
import { fakeAuth } from './fake-auth';
import { noAuth } from './no-auth';
import { trustedAuth } from './trusted-auth';

/**
 * Finds out who sent a request. Undefined when it carries no credentials at all; throws
 * `unauthenticated` when it carries bad ones.
 */
export type Authenticator = (request: Request) => Identity | undefined;

/** The part of `[paste_deploy] flavor` that decides about identity, without its cache suffixes. */
export type AuthFlavor = 'none' | 'trusted-auth' | 'fakeauth';

export interface AuthenticationOptions {
  flavor: AuthFlavor;
  adminRole: string;
  allowAnonymous: boolean;
}

const AUTHENTICATORS: Readonly<Record<AuthFlavor, (adminRole: string) => Authenticator>> = {
  none: () => noAuth,
  'trusted-auth': trustedAuth,
  fakeauth: fakeAuth,
};

const identities = new WeakMap<Request, Identity>();

/** Who the request speaks for; only after {@link authenticationMiddleware}. */
export function identityOf(request: Request): Identity {
  const identity = identities.get(request);
  if (!identity) throw new DomainError('unauthenticated', 'The request was not authenticated');
  return identity;
}

export function authenticationMiddleware(options: AuthenticationOptions): RequestHandler {
  const authenticate = AUTHENTICATORS[options.flavor](options.adminRole);
  return (req, _res, next) => {
    const identity = authenticate(req) ?? (options.allowAnonymous ? ANONYMOUS : undefined);
    if (!identity) throw new DomainError('unauthenticated', 'Authentication required');
    identities.set(req, identity);
    const context = currentRequest();
    if (context) {
      context.userId = identity.userId;
      context.projectId = identity.projectId;
    }
    next();
  };
}

/** Roles as upstream compares them: trimmed, lower case, no empty ones. */
export function parseRoles(text: string): string[] {
  return text
    .split(',')
    .map((role) => role.trim().toLowerCase())
    .filter((role) => role !== '');
}

export function hasAdminRole(roles: readonly string[], adminRole: string): boolean {
  return roles.includes(adminRole.trim().toLowerCase());
}
