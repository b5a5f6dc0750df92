import type { StoreCaller } from '@glance/stores';
import type { Request } from 'express';
import { identityOf } from './authenticate';

/** On whose behalf stores are asked: as the token says, for those that ask their server with it. */
export function storeCallerOf(req: Request): StoreCaller {
  const token = req.get('x-auth-token') ?? req.get('x-storage-token');
  const { projectId } = identityOf(req);
  return { projectId, ...(token === undefined ? {} : { token }) };
}
