import type { Request } from 'express';

export interface BaseUrlOptions {
  publicEndpoint: string | undefined;
}

/** Scheme, host and prefix of the links in answers, without a slash at the end. */
export function requestBaseUrl(req: Request, options: BaseUrlOptions): string {
  if (options.publicEndpoint !== undefined) return options.publicEndpoint.replace(/\/+$/, '');
  const host = req.get('host');
  // A Host that is no host name is not repeated to anybody.
  const safe =
    host !== undefined &&
    /^[A-Za-z0-9.\-_]+(:\d{1,5})?$|^\[[0-9a-fA-F:.]+\](:\d{1,5})?$/.test(host);
  return `${req.protocol}://${safe ? host : `${req.socket.localAddress ?? 'localhost'}:${req.socket.localPort ?? ''}`}`;
}
