import type { DomainError } from '@glance/common';
import type { Request, Response } from 'express';
import { STATUS_CODES } from 'node:http';

/** The general sentence that upstream's framework puts before the message. */
const EXPLANATIONS: Readonly<Record<number, string>> = {
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
  431: 'The header fields of the request are too large or too many.',
  500: 'The server has either erred or is incapable of performing the requested operation.',
  501: 'The server does not know this method.',
  503: 'The server is currently unavailable. Please try again at a later time.',
};

/** The text of a lost compare-and-swap is bare whatever the client accepts (sheet 2.8). */
const CONFLICT_TEXT = 'Image operation conflicts';

/** Writes an error in the form the client asks for: HTML, JSON or plain text (sheet 2.8). */
export function renderError(req: Request, res: Response, status: number, error: DomainError): void {
  const title = STATUS_CODES[status] ?? 'Error';
  const code = `${status} ${title}`;
  const explanation = EXPLANATIONS[status] ?? '';
  res.status(status);
  res.vary('Accept');
  if (status === 503) res.setHeader('Retry-After', '5');
  if (error.message === CONFLICT_TEXT) {
    res.type('text/plain').send(CONFLICT_TEXT);
    return;
  }
  const form = req.headers.accept === undefined ? 'text' : req.accepts(['html', 'json', 'text']);
  if (form === 'html') {
    res
      .type('text/html')
      .send(
        `<html>\n <head>\n  <title>${code}</title>\n </head>\n <body>\n  <h1>${code}</h1>\n  ${escapeHtml(explanation)}<br /><br />\n${escapeHtml(error.message)}\n\n\n </body>\n</html>`,
      );
  } else if (form === 'json') {
    res.json({ message: `${explanation}\n\n${error.message}`, code, title });
  } else {
    res.type('text/plain').send(`${code}\n\n${explanation}\n\n${error.message}\n\n   `);
  }
}

/** For text between tags. Quotes stay: clients show the text without decoding it. */
function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
