import type { LookupAddress } from 'node:dns';
import http, { type ClientRequest, type IncomingMessage } from 'node:http';
import https from 'node:https';
import { isIP, type Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { answerWith, lookupAll } from '@glance/common';
import { sourceRefused, sourceUnusable, storeUnavailable } from '../store-errors';
import { canonicalAddress, type AddressFilter } from './address-filter';
import { effectivePort, hostOf, parseSourceUrl, type SourceUrl } from './source-url';

/** Of one question, redirects included. */
export interface OutboundRequest {
  /** Besides those that every request has; no secrets, for they go to every origin. */
  headers?: Readonly<Record<string, string>> | undefined;
  signal?: AbortSignal | undefined;
}

/** Each in milliseconds, of one hop (reliability sheet §13). */
export interface OutboundTimeouts {
  /** To resolve the name, to connect, and to agree on TLS: each. */
  connectMs: number;
  /** From the request to the head of the answer. */
  firstByteMs: number;
}

export interface OutboundRules {
  addresses: AddressFilter;
  ports: ReadonlySet<number> | 'any';
  timeouts: OutboundTimeouts;
  /** PEM of the authorities that must have signed; those of Node unless set. */
  ca?: Buffer | undefined;
  /** How names become addresses; the system's way unless set. */
  resolve?: (host: string) => Promise<LookupAddress[]>;
  /** Sent to this origin, and to no other that it redirects to. */
  secrets?: { origin: string; headers: Readonly<Record<string, string>> } | undefined;
  /** What else is asked of every URL, of redirects too; nothing unless set. */
  permits?: ((url: URL) => boolean) | undefined;
}

const MAX_REDIRECTS = 3;
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
const USER_AGENT = 'glance-image-service';
const MAX_HEADER_BYTES = 16 * 1024;

/**
 * The one way in which this service reads a URL that a user named (security sheet §3). Every
 * address that a name has must pass the filter, only those that were checked are connected to, and
 * every redirect goes through all of it again. Connections are not shared, no proxy is taken from
 * the environment, and certificates are always verified.
 */
export class OutboundFetcher {
  constructor(private readonly rules: OutboundRules) {}

  /**
   * Asks for the URL, following redirects. The answer is any but a redirect; its body is the
   * caller's to read or to destroy.
   * @throws DomainError `store_source_refused` by the filter, `store_source_unusable` for
   * redirects that lead nowhere, `store_unavailable` when there is no answer in time; the reason of
   * the signal.
   */
  async open(
    method: 'GET' | 'HEAD',
    source: SourceUrl,
    options: OutboundRequest = {},
  ): Promise<IncomingMessage> {
    let { url, authorization } = source;
    for (let hops = 0; ; hops += 1) {
      const response = await this.request(method, url, authorization, options);
      if (!REDIRECTS.has(response.statusCode ?? 0)) return response;
      const { location } = response.headers;
      response.destroy();
      if (hops === MAX_REDIRECTS) {
        throw sourceUnusable(`${url.host} redirects more than ${MAX_REDIRECTS} times`);
      }
      const next = redirectTarget(url, location);
      // What was given for one origin goes to no other.
      if (next.origin !== url.origin) authorization = undefined;
      url = next;
    }
  }

  private async request(
    method: string,
    url: URL,
    authorization: string | undefined,
    { headers, signal }: OutboundRequest,
  ): Promise<IncomingMessage> {
    signal?.throwIfAborted();
    if (this.rules.permits?.(url) === false) throw sourceRefused(`${url.host} is not allowed`);
    const addresses = await this.permittedAddresses(url);
    signal?.throwIfAborted();
    const request = (url.protocol === 'https:' ? https : http).request({
      method,
      host: hostOf(url),
      port: effectivePort(url),
      path: `${url.pathname}${url.search}`,
      headers: {
        ...headers,
        ...(this.rules.secrets?.origin === url.origin ? this.rules.secrets.headers : {}),
        'User-Agent': USER_AGENT,
        Accept: '*/*',
        'Accept-Encoding': 'identity',
        ...(authorization === undefined ? {} : { Authorization: authorization }),
      },
      // A connection of its own, through no proxy.
      agent: false,
      // The addresses that were checked are those that are connected to.
      lookup: answerWith(addresses),
      maxHeaderSize: MAX_HEADER_BYTES,
      rejectUnauthorized: true,
      ...(this.rules.ca === undefined ? {} : { ca: this.rules.ca }),
    });
    return await this.answerTo(request, url, addresses, signal);
  }

  /** @throws unless every address of the host may be connected to, at this port. */
  private async permittedAddresses(url: URL): Promise<LookupAddress[]> {
    const { ports } = this.rules;
    const port = effectivePort(url);
    if (ports !== 'any' && !ports.has(port)) throw sourceRefused(`port ${port} is not allowed`);
    const host = hostOf(url);
    // Node asks no lookup function for a literal address.
    const family = isIP(host);
    const addresses = family === 0 ? await this.resolve(host) : [{ address: host, family }];
    for (const { address } of addresses) {
      if (!this.rules.addresses.permits(address)) {
        throw sourceRefused(`${host} is at ${address}, which is not allowed`);
      }
    }
    return addresses;
  }

  private async resolve(host: string): Promise<LookupAddress[]> {
    const { resolve = lookupAll, timeouts } = this.rules;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        reject(new Error(`${host} was not resolved within ${timeouts.connectMs / 1000} s`));
      }, timeouts.connectMs);
    });
    try {
      const addresses = await Promise.race([resolve(host), late]);
      if (addresses.length === 0) throw new Error(`${host} has no address`);
      return addresses;
    } catch (error) {
      throw storeUnavailable(error);
    } finally {
      clearTimeout(timer);
    }
  }

  private answerTo(
    request: ClientRequest,
    url: URL,
    addresses: readonly LookupAddress[],
    signal: AbortSignal | undefined,
  ): Promise<IncomingMessage> {
    const { connectMs, firstByteMs } = this.rules.timeouts;
    return new Promise((resolve, reject) => {
      let timer: NodeJS.Timeout | undefined;
      const wait = (ms: number, what: string): void => {
        clearTimeout(timer);
        timer = setTimeout(() => {
          fail(storeUnavailable(new Error(`${url.host} ${what} within ${ms / 1000} s`)));
        }, ms);
      };
      const settle = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', onAbort);
      };
      const fail = (error: Error): void => {
        settle();
        reject(error);
        request.destroy();
      };
      const onAbort = (): void => fail(signal?.reason as Error);
      signal?.addEventListener('abort', onAbort, { once: true });
      wait(connectMs, 'did not accept a connection');
      request.once('socket', (socket: Socket) => {
        socket.once('connect', () => {
          if (!isOneOf(addresses, socket.remoteAddress)) {
            fail(sourceRefused(`${url.host} was connected at an address nobody checked`));
            return;
          }
          if (url.protocol !== 'https:') wait(firstByteMs, 'did not answer');
          else wait(connectMs, 'did not agree on TLS');
        });
        (socket as TLSSocket).once('secureConnect', () => wait(firstByteMs, 'did not answer'));
      });
      // Stays: a connection may break after the answer too, which is for the reader of its body.
      let answered = false;
      request.on('error', (error) => {
        if (!answered) fail(storeUnavailable(error));
      });
      request.once('response', (response) => {
        answered = true;
        settle();
        resolve(response);
      });
      request.end();
    });
  }
}

function redirectTarget(from: URL, location: string | undefined): URL {
  if (location === undefined || !URL.canParse(location, from.href)) {
    throw sourceUnusable(`${from.host} redirects to nowhere`);
  }
  const target = parseSourceUrl(new URL(location, from.href).href);
  if (!target || target.authorization !== undefined) {
    throw sourceRefused(`${from.host} redirects to what is no plain http or https URL`);
  }
  if (from.protocol === 'https:' && target.url.protocol !== 'https:') {
    throw sourceRefused(`${from.host} redirects from https to http`);
  }
  return target.url;
}

function isOneOf(addresses: readonly LookupAddress[], remote: string | undefined): boolean {
  const actual = remote === undefined ? undefined : canonicalAddress(remote);
  return (
    actual !== undefined && addresses.some(({ address }) => canonicalAddress(address) === actual)
  );
}
