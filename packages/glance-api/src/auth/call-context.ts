import { SERVICE_IDENTITY } from '@glance/common';
import type { CallContext } from '@glance/registry-client';
import { newRequestId, requestId } from '@glance/service-kit';
import type { Request } from 'express';
import { identityOf } from './authenticate';

/** Who asks the registry, under which request id. */
export function contextOf(req: Request): CallContext {
  return { identity: identityOf(req), requestId: requestId() };
}

/** Asks the registry for the service itself. @param id of the request that this is done for, if any. */
export function serviceContext(id = newRequestId()): CallContext {
  return { identity: SERVICE_IDENTITY, requestId: id };
}
