import { DomainError } from '@glance/common';
import type { Request } from 'express';
import { parseRoles } from './authenticate';
import { NO_CALLER_DETAILS, type Credentials } from './caller';

/**
 * Flavor fakeauth: the token says who one is, `user:project:role[,role]`. Trials and tests only. As
 * Keystone has it, the role admin implies member, and member implies reader.
 */
export function fakeAuth(req: Request): Credentials | undefined {
  const token = req.get('x-auth-token');
  if (token === undefined) return undefined;
  const parts = unescaped(token).split(':');
  if (parts.length !== 3) {
    throw new DomainError('unauthenticated', 'The token must have the form user:project:role');
  }
  const [user, project, roles] = parts as [string, string, string];
  return {
    ...NO_CALLER_DETAILS,
    userId: textOrNull(user),
    projectId: textOrNull(project),
    roles: withImplied(parseRoles(roles)),
    readOnly: false,
  };
}

function withImplied(roles: string[]): string[] {
  const all = new Set(roles);
  if (all.has('admin')) all.add('member');
  if (all.has('member')) all.add('reader');
  return [...all];
}

function textOrNull(part: string): string | null {
  return part === '' || part.toLowerCase() === 'none' ? null : part;
}

/** The real client percent-encodes its token, colons included. */
function unescaped(token: string): string {
  if (token.includes(':')) return token;
  try {
    return decodeURIComponent(token);
  } catch {
    return token;
  }
}
