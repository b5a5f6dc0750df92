import type { CallContext } from '@glance/registry-client';
import { requestId } from '@glance/service-kit';
import type { Request } from 'express';
import { identityOf } from './authenticate';

/** Who asks the registry, under which request id. */
export function contextOf(req: Request): CallContext {
  return { identity: identityOf(req), requestId: requestId() };
}
