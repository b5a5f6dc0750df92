import { randomUUID } from 'node:crypto';

/** Where a request belongs in the work of several services (W3C Trace Context). */
export interface TraceContext {
  /** 32 hexadecimal digits, the same in every service that has a part in the work. */
  traceId: string;
  /** Two hexadecimal digits; the last bit says that somebody upstream records this trace. */
  flags: string;
}

/** Version, trace, caller and flags; what a later version adds stands behind another dash. */
const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
const NOT_RECORDED = '00';

/**
 * What a request's `traceparent` header says (Trace Context §3.2); a new trace where there is none
 * or one that cannot be used.
 */
export function readTraceContext(header: string | string[] | undefined): TraceContext {
  const [, version, traceId, caller, flags, more] =
    (typeof header === 'string' ? TRACEPARENT.exec(header) : null) ?? [];
  const isUsable =
    version !== undefined &&
    version !== 'ff' &&
    !(version === '00' && more !== undefined) &&
    !isZero(traceId) &&
    !isZero(caller);
  if (!isUsable || traceId === undefined || flags === undefined) return newTraceContext();
  return { traceId, flags };
}

export function newTraceContext(): TraceContext {
  return { traceId: randomDigits(), flags: NOT_RECORDED };
}

/** The header for a call that is made for such a request: each call has an id of its own. */
export function toTraceparent({ traceId, flags }: TraceContext): string {
  return `00-${traceId}-${randomDigits().slice(16)}-${flags}`;
}

/** 32 of them, never all zero. Node.js keeps random bytes in stock for UUIDs only. */
function randomDigits(): string {
  return randomUUID().replaceAll('-', '');
}

function isZero(id: string | undefined): boolean {
  return id === undefined || /^0+$/.test(id);
}
