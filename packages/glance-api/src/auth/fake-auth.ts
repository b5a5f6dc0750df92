import { DomainError } from '@glance/common';
import { hasAdminRole, parseRoles, type Authenticator } from './authenticate';

/** Flavor fakeauth: the token says who one is, `user:project:role[,role]`. Trials and tests only. */
export function fakeAuth(adminRole: string): Authenticator {
  return (req) => {
    const token = req.get('x-auth-token');
    if (token === undefined) return undefined;
    const parts = unescaped(token).split(':');
    if (parts.length !== 3) {
      throw new DomainError('unauthenticated', 'The token must have the form user:project:role');
    }
    const [user, project, roleList] = parts as [string, string, string];
    const roles = parseRoles(roleList);
    return {
      userId: textOrNull(user),
      projectId: textOrNull(project),
      roles,
      isAdmin: hasAdminRole(roles, adminRole),
      readOnly: false,
    };
  };
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
