import { isIP } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { Request, RequestHandler } from 'express';
import { plainAddress, type TrustedProxies } from './trusted-proxies';

/** A request as its client sent it, before proxies passed it on. */
export interface ClientView {
  /** Where the client is; undefined once its connection is gone. */
  address: string | undefined;
  protocol: 'http' | 'https';
  /** The host, and port, that the client asked; undefined when that is no host name. */
  host: string | undefined;
  /** Path below which the proxy shows this service: empty, or `/…` without a slash at the end. */
  prefix: string;
}

export interface ClientViewOptions {
  trustedProxies: TrustedProxies;
  /** Whether X-Forwarded-* and Forwarded (RFC 7239) count. */
  parseHeaders: boolean;
  /** Name of one header that tells the protocol, whatever `parseHeaders` says. */
  protocolHeader: string | undefined;
}

const views = new WeakMap<Request, ClientView>();

/** What the client saw; of its connection alone where {@link clientViewMiddleware} was not passed. */
export function clientView(req: Request): ClientView {
  return views.get(req) ?? ofConnection(req);
}

/** Believes headers about the client where a trusted proxy sent them, and nowhere else. */
export function clientViewMiddleware(options: ClientViewOptions): RequestHandler {
  return (req, _res, next) => {
    const view = ofConnection(req);
    if (options.trustedProxies.has(req.socket.remoteAddress)) {
      if (options.parseHeaders) applyForwarded(view, req, options.trustedProxies);
      if (options.protocolHeader !== undefined) {
        view.protocol = protocolOf(req.get(options.protocolHeader)) ?? view.protocol;
      }
    }
    // Kept: a socket that is gone has no address for the access log.
    views.set(req, view);
    next();
  };
}

function ofConnection(req: Request): ClientView {
  const { remoteAddress } = req.socket;
  return {
    address: remoteAddress === undefined ? undefined : plainAddress(remoteAddress),
    protocol: req.socket instanceof TLSSocket ? 'https' : 'http',
    host: hostOf(req.get('host')),
    prefix: '',
  };
}

/** What one proxy says of who asked it. */
interface Hop {
  for?: string | undefined;
  proto?: string | undefined;
  host?: string | undefined;
}

/**
 * Each proxy adds what it saw at the end, and what stands before the first trusted one was sent by
 * the client itself: so the hop that counts is found from the end. Where both forms are there,
 * X-Forwarded-* counts: most proxies know only it, and pass on a client's Forwarded.
 */
function applyForwarded(view: ClientView, req: Request, trusted: TrustedProxies): void {
  const old = ['for', 'proto', 'host'].some((name) => req.get(`x-forwarded-${name}`) !== undefined);
  const hops = old ? oldHops(req) : parseForwarded(req.get('forwarded') ?? '');
  let hop: Hop | undefined;
  for (let index = hops.length - 1; index >= 0; index -= 1) {
    hop = hops[index];
    const address = addressOf(hop?.for);
    if (address !== undefined) view.address = address;
    if (!trusted.has(address)) break;
  }
  view.protocol = protocolOf(hop?.proto) ?? view.protocol;
  view.host = hostOf(hop?.host) ?? view.host;
  const prefix = req.get('x-forwarded-prefix')?.replace(/\/+$/, '');
  if (prefix !== undefined && /^(\/[\w.~-]+)+$/.test(prefix)) view.prefix = prefix;
}

/** Hops of X-Forwarded-For; protocol and host are lists of as many entries or of the last proxy. */
function oldHops(req: Request): Hop[] {
  const list = (name: string): string[] =>
    (req.get(`x-forwarded-${name}`) ?? '')
      .split(',')
      .map((item) => item.trim())
      .filter((item) => item !== '');
  const [addresses, protocols, hosts] = [list('for'), list('proto'), list('host')];
  const at = (items: string[], index: number): string | undefined =>
    items.length === addresses.length ? items[index] : items.at(-1);
  if (addresses.length === 0) return [{ proto: protocols.at(-1), host: hosts.at(-1) }];
  return addresses.map((address, index) => ({
    for: address,
    proto: at(protocols, index),
    host: at(hosts, index),
  }));
}

const MAX_FORWARDED_LENGTH = 4096;

/** The elements of a Forwarded header (RFC 7239 §4); none when it is not well formed. */
export function parseForwarded(text: string): Hop[] {
  if (text.length > MAX_FORWARDED_LENGTH) return [];
  const hops: Hop[] = [{}];
  // One pair, and what separates it from the next; sticky, so that nothing in between is passed over.
  const pair = /\s*([\w!#$%&'*+.^`|~-]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s",;]+))\s*([,;]|$)/y;
  while (pair.lastIndex < text.length) {
    const match = pair.exec(text);
    if (!match) return [];
    const [, name = '', quoted, token, separator] = match;
    const hop = hops.at(-1) as Hop;
    const key = name.toLowerCase();
    if (key === 'for' || key === 'proto' || key === 'host') {
      hop[key] = token ?? quoted?.replace(/\\(.)/g, '$1');
    }
    if (separator === ',') hops.push({});
    if (separator === '') break;
  }
  return text.trim() === '' ? [] : hops;
}

/** Of `192.0.2.1`, `192.0.2.1:4711`, `2001:db8::1`, `[2001:db8::1]:4711`; nothing else is one. */
function addressOf(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  const bare =
    /^\[([^\]]+)\](?::\d+)?$/.exec(text)?.[1] ?? /^([\d.]+):\d+$/.exec(text)?.[1] ?? text;
  return isIP(bare) === 0 ? undefined : plainAddress(bare);
}

function protocolOf(text: string | undefined): ClientView['protocol'] | undefined {
  const word = text?.trim().toLowerCase();
  return word === 'http' || word === 'https' ? word : undefined;
}

/** A Host that is no host name is not repeated to anybody. */
function hostOf(text: string | undefined): string | undefined {
  const isHost =
    text !== undefined &&
    /^[A-Za-z0-9.\-_]+(:\d{1,5})?$|^\[[0-9a-fA-F:.]+\](:\d{1,5})?$/.test(text);
  return isHost ? text : undefined;
}
