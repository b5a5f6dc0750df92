import { DomainError } from '@glance/common';
import {
  KeystoneError,
  permitsAccess,
  type TokenValidator,
  type ValidatedToken,
} from '@glance/keystone-client';
import { requestId } from '@glance/service-kit';
import type { Request } from 'express';
import type { Authenticator } from './authenticate';
import type { Credentials } from './caller';

export interface KeystoneAuthOptions {
  tokens: Pick<TokenValidator, 'validate'>;
  /** Roles (lower case) of which a service has one: it may act for a user whose token has ended. */
  serviceTokenRoles: readonly string[];
  /** True: a service token without such a role is refused; false: it may do less. */
  requireServiceRoles: boolean;
  /** The service that access rules of application credentials name. */
  serviceType: string;
}

/** Flavor keystone: Keystone says whose a token is (api-v1 sheet §7, api-v2 sheet §16). */
export function keystoneAuth(options: KeystoneAuthOptions): Authenticator {
  const { tokens, serviceTokenRoles, requireServiceRoles, serviceType } = options;
  const ask = async (token: string, allowExpired: boolean): Promise<ValidatedToken | undefined> => {
    try {
      return await tokens.validate(token, { allowExpired, requestId: requestId() });
    } catch (error) {
      if (!(error instanceof KeystoneError)) throw error;
      // Nobody knows whether the token is right: 401 would make clients throw it away.
      throw new DomainError(
        'identity_unavailable',
        'The identity service cannot be asked at the moment; try again.',
        { cause: error },
      );
    }
  };

  return async (req) => {
    const text = req.get('x-auth-token') ?? req.get('x-storage-token');
    if (text === undefined) return undefined;
    const service = await serviceOf(req);
    const token = await ask(text, service.mayActForExpired);
    if (!token) throw invalidToken('The token is not valid, or not any more');
    if (!mayBeUsedFor(token, req)) {
      throw invalidToken('The application credential of the token does not allow this request');
    }
    return toCredentials(token, service.roles);
  };

  async function serviceOf(
    req: Request,
  ): Promise<{ roles: readonly string[]; mayActForExpired: boolean }> {
    const text = req.get('x-service-token');
    if (text === undefined) return { roles: [], mayActForExpired: false };
    const token = await ask(text, false);
    if (!token) throw invalidToken('The service token is not valid, or not any more');
    const roles = lowerCase(token.roles);
    const isService = roles.some((role) => serviceTokenRoles.includes(role));
    if (!isService && requireServiceRoles) {
      throw invalidToken('The service token is not that of a service');
    }
    return { roles, mayActForExpired: isService };
  }

  function mayBeUsedFor({ accessRules }: ValidatedToken, { method, path }: Request): boolean {
    return (
      accessRules === undefined ||
      permitsAccess(accessRules, { service: serviceType, method, path })
    );
  }
}

function toCredentials(token: ValidatedToken, serviceRoles: readonly string[]): Credentials {
  return {
    userId: token.userId,
    projectId: token.projectId,
    roles: lowerCase(token.roles),
    readOnly: false,
    serviceRoles,
    userDomainId: token.userDomainId,
    projectDomainId: token.projectDomainId,
    isAdminProject: token.isAdminProject,
    tokenScope: token.scope === 'system' || token.scope === 'domain' ? token.scope : 'project',
  };
}

function lowerCase(roles: readonly string[]): string[] {
  return roles.map((role) => role.toLowerCase());
}

function invalidToken(message: string): DomainError {
  return new DomainError('unauthenticated', message);
}
