import type { RequestHandler } from 'express';
import { clientView } from './client-view';

/** Nothing here is to be guessed at, kept or framed by a browser (security sheet §8). */
export const SECURITY_HEADERS: Readonly<Record<string, string>> = {
  'X-Content-Type-Options': 'nosniff',
  'Cache-Control': 'no-store',
  'Content-Security-Policy': "default-src 'none'",
};

/** A client that has reached the service by TLS shall never do so without, for a year. */
export const STRICT_TRANSPORT = { 'Strict-Transport-Security': 'max-age=31536000' };

/** First of all middleware but {@link clientViewMiddleware}: also errors have these headers. */
export const securityHeaders: RequestHandler = (req, res, next) => {
  res.set(SECURITY_HEADERS);
  if (clientView(req).protocol === 'https') res.set(STRICT_TRANSPORT);
  next();
};
