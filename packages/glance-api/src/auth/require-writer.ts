import { DomainError, type Identity } from '@glance/common';
import type { Request } from 'express';
import { identityOf } from './authenticate';

/** Who asks for a change. @throws DomainError `forbidden` for a caller who may only read. */
export function requireWriter(req: Request): Identity {
  const identity = identityOf(req);
  if (identity.readOnly) throw new DomainError('forbidden', 'Read-only access');
  return identity;
}
