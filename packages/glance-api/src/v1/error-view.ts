import type { DomainError } from '@glance/common';
import type { Request, Response } from 'express';
import { EXPLANATIONS, sendErrorPage } from '../http/error-page';

/** The text of a lost compare-and-swap is bare whatever the client accepts (sheet 2.8). */
const CONFLICT_TEXT = 'Image operation conflicts';

/** Writes an error in the form the client asks for: HTML, JSON or plain text (sheet 2.8). */
export function renderError(req: Request, res: Response, status: number, error: DomainError): void {
  if (error.message === CONFLICT_TEXT) {
    res.status(status).type('text/plain').send(CONFLICT_TEXT);
    return;
  }
  sendErrorPage(req, res, status, {
    explanation: EXPLANATIONS[status] ?? '',
    detail: error.message,
  });
}
