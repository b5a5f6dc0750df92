import { clientView } from '@glance/service-kit';
import type { Request } from 'express';

export interface BaseUrlOptions {
  publicEndpoint: string | undefined;
}

/** Scheme, host and prefix of the links in answers, without a slash at the end. */
export function requestBaseUrl(req: Request, options: BaseUrlOptions): string {
  if (options.publicEndpoint !== undefined) return options.publicEndpoint.replace(/\/+$/, '');
  const { protocol, host, prefix } = clientView(req);
  const { localAddress = 'localhost', localPort = '' } = req.socket;
  return `${protocol}://${host ?? `${localAddress}:${localPort}`}${prefix}`;
}
