import { DomainError } from '@glance/common';
import { clientView } from '@glance/service-kit';
import type { Request } from 'express';
import { parseRoles, type Authenticator } from './authenticate';
import { NO_CALLER_DETAILS, type Credentials } from './caller';

/**
 * Flavor unset: one administrator for everybody. It has a project, so that the images it makes have
 * an owner and stand in its lists.
 */
export function noAuth(adminRole: string, allowedOrigins: readonly string[]): Authenticator {
  const everybody: Credentials = Object.freeze({
    ...NO_CALLER_DETAILS,
    userId: 'admin',
    projectId: 'admin',
    roles: [...new Set([...parseRoles(adminRole), 'admin', 'member', 'reader'])],
    readOnly: false,
  });
  return (req) => {
    refuseForeignPages(req, allowedOrigins);
    return everybody;
  };
}

/**
 * A web page of any site can make its visitor's browser send forms and plain requests here, and
 * nothing else would be needed to change images.
 * @throws DomainError `forbidden` for a change that a page of an origin asks for that is not allowed by
 * name.
 */
function refuseForeignPages(req: Request, allowedOrigins: readonly string[]): void {
  const { origin } = req.headers;
  if (origin === undefined || req.method === 'GET' || req.method === 'HEAD') return;
  if (URL.canParse(origin) && new URL(origin).host === clientView(req).host) return;
  if (allowedOrigins.includes(origin)) return;
  throw new DomainError(
    'forbidden',
    'Without authentication, pages of other sites may change nothing here.',
  );
}
