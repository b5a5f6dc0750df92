import { parseRoles, type Authenticator } from './authenticate';
import { NO_CALLER_DETAILS, type Credentials } from './caller';

/**
 * Flavor unset: one administrator for everybody. It has a project, so that the images it makes have
 * an owner and stand in its lists.
 */
export function noAuth(adminRole: string): Authenticator {
  const everybody: Credentials = Object.freeze({
    ...NO_CALLER_DETAILS,
    userId: 'admin',
    projectId: 'admin',
    roles: [...new Set([...parseRoles(adminRole), 'admin', 'member', 'reader'])],
    readOnly: false,
  });
  return () => everybody;
}
