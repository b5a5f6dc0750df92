import { DomainError, type Identity } from '@glance/common';

/** For what no user ever asks for. @throws DomainError `forbidden` for anybody but an admin. */
export function requireService(identity: Identity): void {
  if (!identity.isAdmin) throw new DomainError('forbidden', 'This is for the service itself');
}
