import { sendJson } from '@glance/service-kit';
import type { Response } from 'express';

/** What API v2 says of its JSON: no charset (api-v2 sheet 1.1). */
export function answerJson(res: Response, body: unknown): void {
  sendJson(res, body, 'application/json');
}

/** 204 and 202, with the headers that upstream's framework gives an empty answer (sheet 1.1). */
export function answerEmpty(res: Response, status: 202 | 204): void {
  res.status(status).set('Content-Type', 'text/html; charset=UTF-8').end();
}
