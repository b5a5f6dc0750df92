import { sendJson } from '@glance/service-kit';
import type { Request, Response } from 'express';
import { STATUS_CODES } from 'node:http';
import { acceptedQuality } from './accepted-quality';

/** The general sentence that upstream's framework has for a status. */
export const EXPLANATIONS: Readonly<Record<number, string>> = {
  400: 'The server could not comply with the request since it is either malformed or otherwise incorrect.',
  401: 'This server could not verify that you are authorized to access the document you requested.',
  403: 'Access was denied to this resource.',
  404: 'The resource could not be found.',
  405: 'The method is not allowed for this resource.',
  408: 'The server has waited too long for the request to be sent by the client.',
  409: 'There was a conflict when trying to complete your request.',
  410: 'This resource is no longer available. No forwarding address is given.',
  412: 'Request precondition failed.',
  413: 'The body of your request was too large for this server.',
  414: 'The URI of the request is too long for this server.',
  415: 'The request media type is not supported by this server.',
  416: 'The range of bytes that was asked for is not there.',
  429: 'There were too many requests in a short time.',
  431: 'The header fields of the request are too large or too many.',
  500: 'The server has either erred or is incapable of performing the requested operation.',
  501: 'The server does not know this method.',
  503: 'The server is currently unavailable. Please try again at a later time.',
};

/** Upstream's framework speaks of statuses in its own words (api-v2 sheet 16.3). */
const TITLES: Readonly<Record<number, string>> = {
  413: 'Request Entity Too Large',
  416: 'Request Range Not Satisfiable',
};

export interface ErrorText {
  /** May be empty. */
  explanation: string;
  /** May be empty. */
  detail: string;
}

/**
 * Writes an error as HTML, as flat JSON or as text: of text/html and application/json what `Accept`
 * prefers, HTML on a tie, text when it takes neither or is missing (api-v1 sheet 2.8, api-v2 sheet
 * 16.3).
 */
export function sendErrorPage(
  req: Request,
  res: Response,
  status: number,
  { explanation, detail }: ErrorText,
): void {
  const title = TITLES[status] ?? STATUS_CODES[status] ?? 'Error';
  const code = `${status} ${title}`;
  res.status(status);
  res.statusMessage = title;
  res.vary('Accept');
  if (status === 503) res.setHeader('Retry-After', '5');
  const accept = req.headers.accept ?? '';
  const html = acceptedQuality(accept, 'text/html');
  const json = acceptedQuality(accept, 'application/json');
  if (html > 0 && html >= json) {
    res
      .type('text/html')
      .send(
        `<html>\n <head>\n  <title>${code}</title>\n </head>\n <body>\n  <h1>${code}</h1>\n  ${escapeHtml(explanation)}<br /><br />\n${escapeHtml(detail)}\n\n\n </body>\n</html>`,
      );
  } else if (json > 0) {
    const message = `${explanation}<br /><br />\n${detail}\n\n`;
    sendJson(res, { message, code, title }, 'application/json');
  } else {
    res.type('text/plain').send(`${code}\n\n${explanation}\n\n${detail}\n\n   `);
  }
}

/** For text between tags. Quotes stay: clients show the text without decoding it. */
function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
