import { AsyncLocalStorage } from 'node:async_hooks';
import { randomUUID } from 'node:crypto';
import { toTraceparent, type TraceContext } from './trace-context';

/** What a log line says about the request it belongs to. */
export interface RequestContext {
  requestId: string;
  trace?: TraceContext;
  userId?: string | null;
  projectId?: string | null;
  /** Whether the request is made with the rights of an administrator. */
  isAdmin?: boolean;
  /** The image that the request makes; others are in its path. */
  imageId?: string;
}

const storage = new AsyncLocalStorage<RequestContext>();

export function currentRequest(): RequestContext | undefined {
  return storage.getStore();
}

/** The header `traceparent` of calls that are made for the request being served. */
export function currentTraceparent(): string | undefined {
  const trace = currentRequest()?.trace;
  return trace && toTraceparent(trace);
}

/** Has the log say which image the request makes. */
export function noteImage(imageId: string): void {
  const context = currentRequest();
  if (context) context.imageId = imageId;
}

export function runInRequest<T>(context: RequestContext, work: () => T): T {
  return storage.run(context, work);
}

export function newRequestId(): string {
  return `req-${randomUUID()}`;
}
