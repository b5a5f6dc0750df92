import { DomainError } from '@glance/common';
import { currentRequest } from '@glance/service-kit';
import type { Request, RequestHandler } from 'express';
import type { Policy } from '../policy/policy';
import { ANONYMOUS_CALLER, type Caller, type Credentials } from './caller';
import { fakeAuth } from './fake-auth';
import { noAuth } from './no-auth';
import { trustedAuth } from './trusted-auth';

/**
 * Finds out who sent a request. Undefined when it carries no credentials at all; throws
 * `unauthenticated` when it carries bad ones.
 */
export type Authenticator = (request: Request) => Credentials | undefined;

/** The part of `[paste_deploy] flavor` that decides about identity, without its cache suffixes. */
export type AuthFlavor = 'none' | 'trusted-auth' | 'fakeauth';

export interface AuthenticationOptions {
  flavor: AuthFlavor;
  /** Whose holder the service takes everybody for when there is no authentication. */
  adminRole: string;
  /** Decides who is an administrator. */
  policy: Policy;
  allowAnonymous: boolean;
}

const AUTHENTICATORS: Readonly<Record<AuthFlavor, (adminRole: string) => Authenticator>> = {
  none: noAuth,
  'trusted-auth': () => trustedAuth,
  fakeauth: () => fakeAuth,
};

const callers = new WeakMap<Request, Caller>();

/** Who the request speaks for; only after {@link authenticationMiddleware}. */
export function identityOf(request: Request): Caller {
  const caller = callers.get(request);
  if (!caller) throw new DomainError('unauthenticated', 'The request was not authenticated');
  return caller;
}

export function authenticationMiddleware(options: AuthenticationOptions): RequestHandler {
  const authenticate = AUTHENTICATORS[options.flavor](options.adminRole);
  return (req, _res, next) => {
    const credentials = authenticate(req);
    if (!credentials && !options.allowAnonymous) {
      throw new DomainError('unauthenticated', 'Authentication required');
    }
    const caller = credentials
      ? { ...credentials, isAdmin: options.policy.isAdmin(credentials) }
      : ANONYMOUS_CALLER;
    callers.set(req, caller);
    const context = currentRequest();
    if (context) {
      context.userId = caller.userId;
      context.projectId = caller.projectId;
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
