import { sendJson } from '@glance/service-kit';
import type { Request, RequestHandler, Response } from 'express';
import { requestBaseUrl, type BaseUrlOptions } from './base-url';
import { versionTokens, versionsDocument, type EnabledVersions } from './versions-document';

const VENDOR_ACCEPT = 'application/vnd.openstack.images-';

export interface VersionOptions extends BaseUrlOptions {
  enabled: EnabledVersions;
}

/**
 * Sends a request to the API version it names, in its path or in its `Accept` header, by making
 * the path begin with `/v1` or `/v2`; answers with the versions document otherwise (api-v1 sheet §1,
 * api-v2 sheet §12). Repeated slashes count as one: endpoints in catalogues end with one or do not,
 * and so begin the paths that clients add.
 */
export function versionNegotiation(options: VersionOptions): RequestHandler {
  const { enabled } = options;
  const mounts = versionTokens(enabled);

  function sendVersions(req: Request, res: Response, status: 200 | 300): void {
    res.status(status);
    sendJson(res, versionsDocument(requestBaseUrl(req, options), enabled), 'application/json');
  }

  return (req, res, next) => {
    const [first = '', ...rest] = req.path.replace(/^\/+/, '').split('/');
    if (first === 'versions') {
      sendVersions(req, res, 200);
      return;
    }
    const accept = req.get('accept') ?? '';
    const byAccept = accept.startsWith(VENDOR_ACCEPT)
      ? mounts.get(accept.slice(VENDOR_ACCEPT.length))
      : undefined;
    const byPath = mounts.get(first);
    if (byAccept !== undefined) {
      req.url = `${byAccept}${req.url}`;
    } else if (byPath !== undefined && !accept.startsWith(VENDOR_ACCEPT)) {
      if (rest.length === 0) {
        res
          .status(302)
          .location(`${requestBaseUrl(req, options)}${byPath}/`)
          .end();
        return;
      }
      const query = req.url.indexOf('?');
      const path = `${byPath}/${rest.join('/')}`.replace(/\/{2,}/g, '/');
      req.url = `${path}${query === -1 ? '' : req.url.slice(query)}`;
    } else {
      sendVersions(req, res, 300);
      return;
    }
    next();
  };
}
