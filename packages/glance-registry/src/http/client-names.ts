import { TLSSocket } from 'node:tls';
import { DomainError } from '@glance/common';
import type { Logger } from '@glance/service-kit';
import type { RequestHandler } from 'express';

/**
 * Believes only callers whose certificate has one of the names as a subjectAltName, DNS or URI
 * (security sheet §4). An empty list lets everybody pass whom the authority has signed.
 */
export function clientNames(allowed: readonly string[], logger: Logger): RequestHandler {
  const names = new Set(allowed.map(comparable));
  return (req, _res, next) => {
    if (names.size > 0) {
      const { socket } = req;
      const text = socket instanceof TLSSocket ? socket.getPeerCertificate().subjectaltname : '';
      const shown = subjectAltNames(text ?? '');
      if (!shown.some((name) => names.has(comparable(name)))) {
        logger.warn(
          'Refused a client whose certificate has no name of [service_auth] client_names',
          {
            names: shown.join(' ') || 'none',
            client: socket.remoteAddress,
          },
        );
        throw new DomainError('unauthenticated', 'The certificate is not that of a known service');
      }
    }
    next();
  };
}

/**
 * The DNS names and URIs of what Node reports, such as `DNS:api, URI:"spiffe://a\u002cb"`: a value
 * that could be taken for several is quoted as JSON.
 */
export function subjectAltNames(text: string): string[] {
  const names: string[] = [];
  for (const match of text.matchAll(/([^:,]+):("(?:[^"\\]|\\.)*"|[^,]*)(?:, |$)/g)) {
    const [, kind = '', value = ''] = match;
    if (kind !== 'DNS' && kind !== 'URI') continue;
    names.push(value.startsWith('"') ? (JSON.parse(value) as string) : value);
  }
  return names;
}

/** Host names are the same in any case; the path of a URI is not. */
function comparable(name: string): string {
  return name.includes('://') ? name : name.toLowerCase();
}
