import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { DomainError, INTERNAL_HEADERS, isDomainError, type Identity } from '@glance/common';
import {
  createRegistryAgents,
  type RegistryAgents,
  type TlsOptions,
} from './bounded-connect-agents';
import {
  CallBudget,
  DEFAULT_REGISTRY_TIMEOUTS,
  type CallKind,
  type RegistryTimeouts,
} from './call-budget';
import { CircuitBreaker } from './circuit-breaker';
import { FailedTry } from './failed-try';
import type { CallContext } from './registry';
import { readAnswer } from './registry-answer';
import { RegistryExchange, type ExchangeRequest } from './registry-exchange';
import { parseBaseUrls } from './base-urls';

/** By what the registry knows this service, and this service the registry. */
export interface RegistryCredentials {
  /** `[service_auth] key`; absent where mutual TLS stands for it. */
  serviceKey?: string;
  tls?: TlsOptions;
}

export interface RegistryClientOptions extends RegistryCredentials {
  /** Where registries listen, e.g. `http://127.0.0.1:9191`. The next is tried when one fails. */
  baseUrls: readonly string[];
  /** The release of this service, for the registry's log. */
  release: string;
  timeouts?: Partial<RegistryTimeouts>;
  maxSockets?: number;
  maxAnswerBytes?: number;
  /** The `traceparent` header of the calls that are made now, if they belong to a trace. */
  traceparent?: () => string | undefined;
  /** Told of every try that failed, also when a later one succeeds. */
  onFailure?: (failure: RegistryFailure) => void;
}

export interface RegistryFailure {
  operation: string;
  /** The registry that was asked. */
  baseUrl: string;
  reason: string;
  requestId: string;
  tries: number;
  willRetry: boolean;
}

/** Since the process began, except `breakerIsOpen`. */
export interface RegistryClientMetrics {
  calls: number;
  /** Tries that failed and were followed by another. */
  retries: number;
  /** Tries that failed and were the last of their call. */
  failures: number;
  /** Calls that were not tried, since the last tries all failed. */
  heldBack: number;
  breakerIsOpen: boolean;
}

export interface RegistryCall<T> {
  /** Name of the `Registry` method, for operators. */
  operation: string;
  kind: CallKind;
  method: ExchangeRequest['method'];
  path: string;
  body?: unknown;
  /** Goes out even while the circuit breaker holds calls back. */
  probe?: boolean;
  decode(body: unknown): T;
}

const DEFAULT_MAX_SOCKETS = 64;
const DEFAULT_MAX_ANSWER_BYTES = 64 * 1024 * 1024;

/** Carries calls to whichever registry answers, within the time the caller has. */
export class RegistryTransport {
  private readonly baseUrls: readonly string[];
  private readonly timeouts: RegistryTimeouts;
  private readonly agents: RegistryAgents;
  private readonly exchange: RegistryExchange;
  private readonly breaker: CircuitBreaker;
  private fixedHeaders: Record<string, string>;
  private readonly release: string;
  private readonly onFailure: (failure: RegistryFailure) => void;
  private readonly traceparent: () => string | undefined;
  private readonly counts = { calls: 0, retries: 0, failures: 0, heldBack: 0 };
  /** Index of the registry that answered last. */
  private preferred = 0;

  constructor(options: RegistryClientOptions) {
    this.baseUrls = parseBaseUrls(options.baseUrls);
    this.timeouts = { ...DEFAULT_REGISTRY_TIMEOUTS, ...options.timeouts };
    const maxSockets = options.maxSockets ?? DEFAULT_MAX_SOCKETS;
    this.agents = createRegistryAgents(
      { connectMs: this.timeouts.connect, maxSockets },
      options.tls ?? {},
    );
    this.exchange = new RegistryExchange(
      this.agents,
      options.maxAnswerBytes ?? DEFAULT_MAX_ANSWER_BYTES,
    );
    this.breaker = new CircuitBreaker(this.timeouts.unreachable);
    this.fixedHeaders = headersOfEveryCall(options.release, options.serviceKey);
    this.release = options.release;
    this.onFailure = options.onFailure ?? (() => undefined);
    this.traceparent = options.traceparent ?? (() => undefined);
  }

  /** For the calls that begin from now on; those that run end as they began. */
  useCredentials({ serviceKey, tls }: RegistryCredentials): void {
    this.fixedHeaders = headersOfEveryCall(this.release, serviceKey);
    this.agents.httpsAgent.useTls(tls ?? {});
  }

  metrics(): RegistryClientMetrics {
    return { ...this.counts, breakerIsOpen: this.breaker.isOpen() };
  }

  /** @throws DomainError */
  async send<T>(call: RegistryCall<T>, context: CallContext): Promise<T> {
    const budget = new CallBudget(call.kind, this.timeouts, context.timeoutMs);
    this.counts.calls += 1;
    if (call.kind !== 'settle' && call.probe !== true && !this.breaker.admits()) {
      this.counts.heldBack += 1;
      throw unavailable(`${call.operation}: not tried, the last tries all failed`);
    }
    const headers = this.headersOf(call, context);
    const body = call.body === undefined ? undefined : JSON.stringify(call.body);
    const first = this.preferred;
    for (;;) {
      const peer = (first + budget.tries) % this.baseUrls.length;
      budget.tries += 1;
      try {
        return await this.tryOnce(call, { peer, headers, body }, budget, context.signal);
      } catch (error) {
        await this.pauseOrGiveUp(error, call, peer, budget, context);
      }
    }
  }

  close(): void {
    this.agents.httpAgent.destroy();
    this.agents.httpsAgent.destroy();
  }

  private async tryOnce<T>(
    call: RegistryCall<T>,
    request: { peer: number; headers: Record<string, string>; body: string | undefined },
    budget: CallBudget,
    signal: AbortSignal | undefined,
  ): Promise<T> {
    if (isAborted(signal)) throw givenUp(signal);
    const untried = this.baseUrls.length - budget.tries + 1;
    try {
      const answer = await this.exchange.send({
        method: call.method,
        url: `${this.baseUrls[request.peer]}${call.path}`,
        headers: {
          ...request.headers,
          [INTERNAL_HEADERS.deadline]: String(Math.max(1, Math.floor(budget.remainingMs))),
        },
        timeoutMs: budget.nextTryMs(untried),
        ...(request.body !== undefined && { body: request.body }),
        ...(signal && { signal }),
      });
      const result = readAnswer(answer, call.decode);
      this.noteAnswer(request.peer);
      return result;
    } catch (error) {
      if (isAborted(signal)) throw givenUp(signal);
      if (error instanceof FailedTry) {
        this.breaker.noteFailure();
        budget.noteFailure(error.reached);
      } else if (error instanceof DomainError) {
        this.noteAnswer(request.peer);
        budget.noteFailure(true);
      }
      throw error;
    }
  }

  private noteAnswer(peer: number): void {
    this.preferred = peer;
    this.breaker.noteAnswer();
  }

  /** Resolves when the call shall be tried again. */
  private async pauseOrGiveUp(
    error: unknown,
    call: RegistryCall<unknown>,
    peer: number,
    budget: CallBudget,
    { requestId, signal }: CallContext,
  ): Promise<void> {
    if (isAborted(signal)) throw error;
    const isRepeatable = mayRepeat(error, call.kind);
    if (!isRepeatable && !(error instanceof FailedTry)) throw error;
    const pauseMs = isRepeatable
      ? budget.pauseBeforeRetry(budget.tries < this.baseUrls.length)
      : undefined;
    const baseUrl = this.baseUrls[peer] ?? '';
    const reason = (error as Error).message;
    this.counts[pauseMs === undefined ? 'failures' : 'retries'] += 1;
    this.onFailure({
      operation: call.operation,
      baseUrl,
      reason,
      requestId,
      tries: budget.tries,
      willRetry: pauseMs !== undefined,
    });
    if (pauseMs === undefined) {
      if (error instanceof DomainError) throw error;
      const spent = `${budget.tries} tries in ${Math.round(budget.elapsedMs)} ms`;
      throw unavailable(`${call.operation} at ${baseUrl}: ${reason} (${spent})`, error);
    }
    try {
      await pause(pauseMs, undefined, signal && { signal });
    } catch (interruption) {
      throw isAborted(signal) ? givenUp(signal) : interruption;
    }
  }

  private headersOf(call: RegistryCall<unknown>, context: CallContext): Record<string, string> {
    const traceparent = this.traceparent();
    return {
      ...this.fixedHeaders,
      [INTERNAL_HEADERS.identity]: encodeIdentity(context.identity),
      [INTERNAL_HEADERS.requestId]: context.requestId,
      ...(traceparent !== undefined && { [INTERNAL_HEADERS.traceparent]: traceparent }),
      // One key for all tries: a write whose answer was lost is found again, not repeated.
      ...(call.kind !== 'read' && { [INTERNAL_HEADERS.requestKey]: randomUUID() }),
      ...(call.body !== undefined && { 'content-type': 'application/json' }),
    };
  }
}

function headersOfEveryCall(
  release: string,
  serviceKey: string | undefined,
): Record<string, string> {
  return {
    accept: 'application/json',
    'accept-encoding': 'identity',
    'user-agent': `glance-api/${release}`,
    ...(serviceKey !== undefined && { [INTERNAL_HEADERS.serviceKey]: serviceKey }),
  };
}

/** What the contract has for an identity, of whatever else the caller's service knows about it. */
function encodeIdentity({ userId, projectId, roles, isAdmin, readOnly }: Identity): string {
  const identity: Identity = { userId, projectId, roles, isAdmin, readOnly };
  return Buffer.from(JSON.stringify(identity)).toString('base64url');
}

function mayRepeat(error: unknown, kind: CallKind): boolean {
  if (error instanceof FailedTry) return error.retry === 'any' || kind === 'settle';
  // A registry that is being replaced has a successor; one whose database is gone has not.
  if (isDomainError(error, 'shutting_down')) return true;
  return (
    kind === 'settle' &&
    isDomainError(error, 'database_unavailable', 'overloaded', 'registry_unavailable')
  );
}

/** The message is for clients; what failed and where is in the cause. */
function unavailable(reason: string, failure?: unknown): DomainError {
  const code = failure instanceof FailedTry ? failure.code : undefined;
  const cause = Object.assign(new Error(reason), code !== undefined && { code });
  return new DomainError(
    'registry_unavailable',
    'The image registry is not available; try again.',
    { cause },
  );
}

/** A function, because a signal that was seen unaborted may be aborted after an await. */
function isAborted(signal: AbortSignal | undefined): signal is AbortSignal & { aborted: true } {
  return signal?.aborted === true;
}

function givenUp(signal: AbortSignal): DomainError {
  const reason: unknown = signal.reason;
  if (reason instanceof DomainError) return reason;
  return new DomainError('client_gone', 'The request was given up.', { cause: reason });
}
