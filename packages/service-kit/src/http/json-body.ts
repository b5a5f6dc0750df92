import { DomainError, invalidRequest } from '@glance/common';
import express, { type RequestHandler } from 'express';

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

/** @throws DomainError `invalid_request` for what is no JSON or nested too deep to be handled safely. */
export function parseJson(text: string, maxDepth: number): unknown {
  let value: unknown;
  if (jsonDepth(text) > maxDepth) {
    throw invalidRequest(`JSON nested deeper than ${maxDepth} levels`);
  }
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new DomainError('invalid_request', 'Malformed JSON in request body.', { cause: error });
  }
  return value;
}

/** Nesting depth by brackets outside strings, found before anything recursive sees the text. */
function jsonDepth(text: string): number {
  let depth = 0;
  let deepest = 0;
  let inString = false;
  for (let index = 0; index < text.length; index += 1) {
    const character = text[index];
    if (inString) {
      if (character === '\\') index += 1;
      else if (character === '"') inString = false;
    } else if (character === '"') {
      inString = true;
    } else if (character === '{' || character === '[') {
      depth += 1;
      deepest = Math.max(deepest, depth);
    } else if (character === '}' || character === ']') {
      depth -= 1;
    }
  }
  return deepest;
}
