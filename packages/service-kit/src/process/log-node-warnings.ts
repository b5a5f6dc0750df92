import type { Logger } from '../logger';

/**
 * Puts the warnings of Node.js itself (a deprecated call, a leak it suspects) into the log, in the
 * log's own format, instead of as plain text between its lines.
 */
export function logNodeWarnings(logger: Logger): void {
  // Node's own listener is what prints them.
  process.removeAllListeners('warning');
  process.on('warning', ({ name, message, stack }) => {
    logger.warn(`Node.js ${name}: ${message}`, { stack });
  });
}
