import { isUtf8 } from 'node:buffer';
import { DomainError, invalidRequest } from '@glance/common';
import type { RequestHandler } from 'express';

/**
 * Refuses URLs that do not decode to text (api-v2 sheet 1.1). An encoded slash separates nothing
 * here and is part of no name: 404.
 * @throws DomainError `invalid_request`, `not_found`.
 */
export const checkUrl: RequestHandler = (req, _res, next) => {
  const question = req.url.indexOf('?');
  const path = question === -1 ? req.url : req.url.slice(0, question);
  if (!isDecodable(path)) throw invalidRequest('The path is not percent-encoded UTF-8.');
  if (/%2f/i.test(path)) throw new DomainError('not_found', 'The resource could not be found.');
  // Unlike in a path, a percent sign that encodes nothing stands for itself.
  if (question !== -1 && !isUtf8(percentDecoded(req.url.slice(question)))) {
    throw invalidRequest(
      'Error decoding your request. Either the URL or the request body contained characters that could not be decoded as UTF-8.',
    );
  }
  next();
};

function isDecodable(path: string): boolean {
  try {
    decodeURIComponent(path);
    return true;
  } catch {
    return false;
  }
}

/** The bytes that a part of a URL stands for. */
function percentDecoded(text: string): Buffer {
  const bytes = text.replace(/%([0-9a-f]{2})/gi, (_whole, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  return Buffer.from(bytes, 'latin1');
}
