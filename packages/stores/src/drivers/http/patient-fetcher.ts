import type { IncomingMessage } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { OutboundFetcher, OutboundRequest } from '../../outbound/outbound-fetcher';
import type { SourceUrl } from '../../outbound/source-url';

const RETRIES = 2;
/** A source that asks for more patience has failed for now. */
const LONGEST_WAIT_MS = 10_000;
const BUSY_STATUSES: ReadonlySet<number> = new Set([429, 503]);

/** What all waits of one question take at most. */
export const LONGEST_WAITS_MS = RETRIES * LONGEST_WAIT_MS;

/**
 * Asks again when a busy source says when (RFC 9110 §10.2.3), a few times and for a short while; each
 * time through the outbound filter. @throws as the fetcher.
 */
export async function askPatiently(
  fetcher: OutboundFetcher,
  method: 'GET' | 'HEAD',
  source: SourceUrl,
  request: OutboundRequest = {},
): Promise<IncomingMessage> {
  for (let retry = 0; ; retry += 1) {
    const response = await fetcher.open(method, source, request);
    const waitMs = retry < RETRIES ? waitOf(response) : undefined;
    if (waitMs === undefined) return response;
    response.destroy();
    await pause(waitMs, request.signal);
  }
}

/** @throws the reason of the signal, at once. */
export async function pause(ms: number, signal?: AbortSignal): Promise<void> {
  try {
    await sleep(ms, undefined, signal && { signal });
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  }
}

/** Undefined when the answer is not to be waited for. */
function waitOf({ statusCode = 0, headers }: IncomingMessage): number | undefined {
  const text = headers['retry-after'];
  if (!BUSY_STATUSES.has(statusCode) || text === undefined) return undefined;
  const waitMs = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - Date.now();
  return waitMs <= LONGEST_WAIT_MS ? Math.max(0, waitMs) : undefined;
}
