import { DomainError } from '@glance/common';
import type { Request } from 'express';
import { identityOf } from './authenticate';
import type { Caller } from './caller';

/** Who asks for a change. @throws DomainError `forbidden` for a caller who may only read. */
export function requireWriter(req: Request): Caller {
  const identity = identityOf(req);
  if (identity.readOnly) throw new DomainError('forbidden', 'Read-only access');
  return identity;
}
