import { DomainError, type ErrorCode } from '@glance/common';
import { HTTP_STATUS } from '@glance/service-kit';
import type { Request, Response } from 'express';
import { EXPLANATIONS, sendErrorPage } from '../http/error-page';

/** The statuses of API v2 (api-v2 sheet 8.1, 8.3), where they differ from those of v1. */
export const V2_STATUS: Readonly<Record<ErrorCode, number>> = {
  ...HTTP_STATUS,
  format_refused: 415,
  image_deleted: 410,
  upload_fenced: 410,
  // Neither can be helped by another request: a name that was taken, a place nobody serves.
  store_duplicate: 500,
  store_unknown: 500,
};

/** A refusal whose text stands after the general sentence of its status (api-v2 sheet 16.3). */
export function refusalInDetail(code: ErrorCode, message: string): DomainError {
  return new DomainError(code, message, { details: { inDetail: true } });
}

/** Writes an error as API v2 does: what it has to say is the explanation, or else the detail. */
export function renderV2Error(
  req: Request,
  res: Response,
  status: number,
  error: DomainError,
): void {
  const text =
    error.details['inDetail'] === true
      ? { explanation: EXPLANATIONS[status] ?? '', detail: error.message }
      : { explanation: error.message, detail: '' };
  const { sizeBytes } = error.details;
  if (error.code === 'range_not_satisfiable' && typeof sizeBytes === 'number') {
    // So that the next request can name bytes that are there (RFC 9110 §15.5.17).
    res.setHeader('Content-Range', `bytes */${sizeBytes}`);
  }
  sendErrorPage(req, res, status, text);
}
