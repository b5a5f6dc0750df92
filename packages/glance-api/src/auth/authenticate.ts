import { DomainError, isDomainError } from '@glance/common';
import { currentRequest } from '@glance/service-kit';
import type { Request, RequestHandler, Response } from 'express';
import type { Policy } from '../policy/policy';
import { ANONYMOUS_CALLER, type Caller, type Credentials } from './caller';

/**
 * Finds out who sent a request. Undefined when it carries no credentials at all; throws
 * `unauthenticated` when it carries bad ones.
 */
export type Authenticator = (
  request: Request,
) => Credentials | undefined | Promise<Credentials | undefined>;

export interface AuthenticationOptions {
  authenticate: Authenticator;
  /** `WWW-Authenticate` of refusals: where a token is to be had. */
  challenge?: string | undefined;
  /** Decides who is an administrator. */
  policy: Policy;
  allowAnonymous: boolean;
}

const callers = new WeakMap<Request, Caller>();

/** Who the request speaks for; only after {@link authenticationMiddleware}. */
export function identityOf(request: Request): Caller {
  const caller = callers.get(request);
  if (!caller) throw new DomainError('unauthenticated', 'The request was not authenticated');
  return caller;
}

export function authenticationMiddleware(options: AuthenticationOptions): RequestHandler {
  const { authenticate, challenge } = options;

  async function credentialsOf(req: Request, res: Response): Promise<Credentials | undefined> {
    try {
      const credentials = await authenticate(req);
      if (credentials || options.allowAnonymous) return credentials;
      throw new DomainError('unauthenticated', 'Authentication required');
    } catch (error) {
      if (challenge !== undefined && isDomainError(error, 'unauthenticated')) {
        res.setHeader('WWW-Authenticate', challenge);
      }
      throw error;
    }
  }

  return async (req, res, next) => {
    const credentials = await credentialsOf(req, res);
    const caller = credentials
      ? { ...credentials, isAdmin: options.policy.isAdmin(credentials) }
      : ANONYMOUS_CALLER;
    callers.set(req, caller);
    const context = currentRequest();
    if (context) {
      context.userId = caller.userId;
      context.projectId = caller.projectId;
      context.isAdmin = caller.isAdmin;
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
