import type { RequestHandler } from 'express';
import { requestBaseUrl, type BaseUrlOptions } from './base-url';
import { versionTokens, versionsDocument, type EnabledVersions } from './versions-document';

const VENDOR_ACCEPT = 'application/vnd.openstack.images-';

export interface VersionOptions extends BaseUrlOptions {
  enabled: EnabledVersions;
}

/**
 * Sends a request to the API version it names, in its path or in its `Accept` header, by making
 * the path begin with `/v1` or `/v2`; answers with the versions document otherwise (api-v1 sheet §1,
 * api-v2 sheet §12).
 */
export function versionNegotiation(options: VersionOptions): RequestHandler {
  const { enabled } = options;
  const mounts = versionTokens(enabled);

  return (req, res, next) => {
    const [first = '', ...rest] = req.path.replace(/^\/+/, '').split('/');
    if (first === 'versions') {
      res.status(200).json(versionsDocument(requestBaseUrl(req, options), enabled));
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
        res.redirect(302, `${requestBaseUrl(req, options)}${byPath}/`);
        return;
      }
      const query = req.url.indexOf('?');
      req.url = `${byPath}/${rest.join('/')}${query === -1 ? '' : req.url.slice(query)}`;
    } else {
      res.status(300).json(versionsDocument(requestBaseUrl(req, options), enabled));
      return;
    }
    next();
  };
}
