import { invalidRequest } from '@glance/common';

/**
 * Base URLs without a trailing slash, so that a path can be appended.
 * @throws DomainError `invalid_request` that names the URL at fault.
 */
export function parseBaseUrls(baseUrls: readonly string[]): string[] {
  if (baseUrls.length === 0) throw invalidRequest('No image registry is configured.');
  return baseUrls.map(parseBaseUrl);
}

function parseBaseUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !['http:', 'https:'].includes(url.protocol)) {
    throw invalidRequest(`The address of the image registry is no http(s) URL: '${text}'`);
  }
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    throw invalidRequest(
      `The address of the image registry must be scheme, host, port and path only: '${url.host}'`,
    );
  }
  return `${url.origin}${url.pathname.replace(/\/+$/, '')}`;
}
