import { DomainError } from '@glance/common';
import type { RequestHandler } from 'express';

export const methodNotAllowed: RequestHandler = (req) => {
  throw new DomainError('method_not_allowed', `${req.method} is not allowed here`);
};

export const noSuchRoute: RequestHandler = () => {
  throw new DomainError('not_found', 'The internal API has no such resource');
};
