import type { RequestHandler } from 'express';
import { requestBaseUrl, type BaseUrlOptions } from './base-url';
import { versionsDocument } from './versions-document';

const VENDOR_ACCEPT = 'application/vnd.openstack.images-';

export interface VersionOptions extends BaseUrlOptions {
  enableV1: boolean;
}

/**
 * Sends a request to the API version it names, in its path or in its `Accept` header, by making
 * the path begin with `/v1`; answers with the versions document otherwise (api-v1 sheet §1).
 */
export function versionNegotiation(options: VersionOptions): RequestHandler {
  const tokens: Readonly<Record<string, string>> = options.enableV1
    ? { v1: '/v1', 'v1.0': '/v1', 'v1.1': '/v1' }
    : {};
  const mountOf = (token: string): string | undefined =>
    Object.hasOwn(tokens, token) ? tokens[token] : undefined;

  return (req, res, next) => {
    const [first = '', ...rest] = req.path.split('/').slice(1);
    if (first === 'versions') {
      res.status(200).json(versionsDocument(requestBaseUrl(req, options), options.enableV1));
      return;
    }
    const accept = req.get('accept') ?? '';
    const byAccept = accept.startsWith(VENDOR_ACCEPT)
      ? mountOf(accept.slice(VENDOR_ACCEPT.length))
      : undefined;
    const byPath = mountOf(first);
    if (byAccept !== undefined) {
      req.url = `${byAccept}${req.url}`;
    } else if (byPath !== undefined && !accept.startsWith(VENDOR_ACCEPT)) {
      if (rest.length === 0) {
        res.redirect(302, `${requestBaseUrl(req, options)}${byPath}/`);
        return;
      }
      const query = req.url.indexOf('?');
      req.url = `${byPath}/${rest.join('/')}${query === -1 ? '' : req.url.slice(query)}`;
    } else {
      res.status(300).json(versionsDocument(requestBaseUrl(req, options), options.enableV1));
      return;
    }
    next();
  };
}
