import { DomainError, ERROR_CODES, type ErrorCode, type ErrorDetails } from '@glance/common';
import { isRecord } from './answer-checks';
import { foreignAnswer, type FailedTry } from './failed-try';
import type { ExchangeAnswer } from './registry-exchange';

const CODES: ReadonlySet<unknown> = new Set(ERROR_CODES);

/**
 * The checked body of a 2xx answer.
 * @throws DomainError that the registry reported; FailedTry when the answer is not to be believed.
 * Such an answer never counts as "not found": an upload would be undone for it.
 */
export function readAnswer<T>(answer: ExchangeAnswer, decode: (body: unknown) => T): T {
  const { status } = answer;
  if (status === 401) {
    throw new DomainError(
      'registry_refused',
      'The image registry refused this service: the first [service_auth] key is none of those ' +
        "the registry has, or its client_names has no name of this service's certificate.",
    );
  }
  const body = parseJson(answer);
  if (status >= 200 && status < 300) {
    if (body === undefined) throw foreignAnswer(`answered ${status} without valid JSON`);
    return decode(body);
  }
  throw toWireError(body) ?? withoutReason(status);
}

function parseJson(answer: ExchangeAnswer): unknown {
  try {
    return JSON.parse(answer.body.toString('utf8')) as unknown;
  } catch {
    return undefined;
  }
}

function toWireError(body: unknown): DomainError | undefined {
  if (!isRecord(body) || !isRecord(body.error)) return undefined;
  const { code, message, details } = body.error;
  if (!isErrorCode(code) || typeof message !== 'string') return undefined;
  return new DomainError(code, message, { details: toDetails(details) });
}

function isErrorCode(code: unknown): code is ErrorCode {
  return CODES.has(code);
}

function toDetails(details: unknown): ErrorDetails {
  if (!isRecord(details)) return {};
  return Object.fromEntries(
    Object.entries(details).filter(
      (entry): entry is [string, string | number | boolean | null] =>
        entry[1] === null || ['string', 'number', 'boolean'].includes(typeof entry[1]),
    ),
  );
}

/** A status that the contract does not explain, from a proxy or from some other server. */
function withoutReason(status: number): DomainError | FailedTry {
  // The HTTP parser itself refuses a long query, before the registry could give a reason.
  if (status === 414 || status === 431) {
    return new DomainError('headers_too_large', 'The query is too long for the image registry.');
  }
  if (status >= 300 && status < 400) {
    return foreignAnswer(`answered ${status}; redirects are not followed`);
  }
  return foreignAnswer(`answered ${status} without a reason`, status >= 500 ? 'any' : 'settling');
}
