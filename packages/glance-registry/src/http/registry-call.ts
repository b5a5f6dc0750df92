import {
  DomainError,
  INTERNAL_HEADERS,
  checkAgainst,
  hasFourByteCharacter,
  identitySchema,
  invalidRequest,
  type Identity,
} from '@glance/common';
import { currentRequest, parseJson } from '@glance/service-kit';
import type { Request } from 'express';
import { Deadline } from '../db/retry';
import type { CallScope } from '../db/transaction';

/** For whom a call is made, and how. */
export interface RegistryCall {
  identity: Identity;
  scope: CallScope;
}

const MAX_IDENTITY_DEPTH = 4;

/** @throws DomainError `unauthenticated` without an identity; `invalid_request` for a broken header. */
export function readCall(req: Request): RegistryCall {
  const identity = readIdentity(req);
  const context = currentRequest();
  if (context) {
    context.userId = identity.userId;
    context.projectId = identity.projectId;
    context.isAdmin = identity.isAdmin;
  }
  const { userId, projectId } = identity;
  return {
    identity,
    scope: {
      deadline: readDeadline(req),
      requestKey: readRequestKey(req),
      actor: { userId, projectId, requestId: context?.requestId ?? null },
    },
  };
}

const MAX_QUERY_DEPTH = 6;

/**
 * The whole query of a GET is one JSON document: nothing is guessed from text.
 * @throws DomainError `invalid_request`.
 */
export function readQuery(req: Request): unknown {
  const { query } = req.query;
  if (typeof query !== 'string') throw invalidRequest('query must be given once, as JSON');
  return parseJson(query, MAX_QUERY_DEPTH);
}

function readIdentity(req: Request): Identity {
  const header = headerOf(req, INTERNAL_HEADERS.identity);
  if (header === undefined) {
    throw new DomainError('unauthenticated', 'The call names nobody it is made for');
  }
  const text = Buffer.from(header, 'base64url').toString('utf8');
  const identity = checkAgainst(identitySchema, parseJson(text, MAX_IDENTITY_DEPTH));
  if (identity.projectId !== null && hasFourByteCharacter(identity.projectId)) {
    throw invalidRequest("The project id can't contain 4 byte unicode characters.");
  }
  return identity;
}

function readDeadline(req: Request): Deadline | undefined {
  const header = headerOf(req, INTERNAL_HEADERS.deadline);
  if (header === undefined) return undefined;
  if (!/^\d{1,12}$/.test(header)) throw invalidRequest('The deadline is not a number of ms');
  return Deadline.in(Number(header));
}

function readRequestKey(req: Request): CallScope['requestKey'] {
  const key = headerOf(req, INTERNAL_HEADERS.requestKey);
  if (key === undefined || req.method === 'GET' || req.method === 'HEAD') return undefined;
  if (!/^[\x21-\x7e]{1,64}$/.test(key)) throw invalidRequest('The request key is malformed');
  return { key, operation: `${req.method} ${req.baseUrl}${req.path}`.slice(0, 255) };
}

function headerOf(req: Request, name: string): string | undefined {
  const value = req.headers[name];
  return typeof value === 'string' ? value : undefined;
}
