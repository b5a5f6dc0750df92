import { DomainError } from '@glance/common';
import express, { type RequestHandler } from 'express';
import { checkJsonText } from './json-scan';

export interface JsonBodyLimits {
  maxBytes: number;
  maxDepth: number;
}

/** Middleware: `req.body` is the decoded JSON of the request, or undefined when there is no body. */
export function jsonBody(limits: JsonBodyLimits): RequestHandler[] {
  return [
    express.text({ type: () => true, limit: limits.maxBytes, inflate: false }),
    (req, _res, next) => {
      const text: unknown = req.body;
      req.body =
        typeof text === 'string' && text !== '' ? parseJson(text, limits.maxDepth) : undefined;
      next();
    },
  ];
}

/** More than anything here has: an image has 128 properties by default. */
const MAX_KEYS = 1000;

/**
 * @throws DomainError `invalid_request` for what is no JSON, nested too deep to be handled safely, or
 * has a name twice or too many names in one object.
 */
export function parseJson(text: string, maxDepth: number, maxKeys = MAX_KEYS): unknown {
  checkJsonText(text, { maxDepth, maxKeys });
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new DomainError('invalid_request', 'Malformed JSON in request body.', { cause: error });
  }
}
