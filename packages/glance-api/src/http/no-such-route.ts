import { DomainError } from '@glance/common';
import type { RequestHandler } from 'express';
import { EXPLANATIONS, sendErrorPage } from './error-page';

const KNOWN_METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH'];

/** Paths that nothing serves: 404, or 501 for methods the API does not know. */
export const noSuchRoute: RequestHandler = (req, res, next) => {
  if (KNOWN_METHODS.includes(req.method)) {
    next(new DomainError('not_found', 'The resource could not be found.'));
    return;
  }
  sendErrorPage(req, res, 501, { explanation: EXPLANATIONS[501] ?? '', detail: '' });
};

/** @param allow undefined where upstream names no method. */
export function methodNotAllowed(allow?: string): RequestHandler {
  return function refuseMethod(req, res) {
    if (allow !== undefined) res.set('Allow', allow);
    throw new DomainError('method_not_allowed', `${req.method} is not allowed for this resource.`);
  };
}
