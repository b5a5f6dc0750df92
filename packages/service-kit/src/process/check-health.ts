import http from 'node:http';
import https from 'node:https';
import { describeError } from '@glance/common';

/** `[DEFAULT]` options that say where a service listens. */
export interface ListenOptions {
  readonly bind_host: string;
  readonly bind_port: number;
  readonly cert_file: string | undefined;
  readonly key_file: string | undefined;
  readonly ca_file: string | undefined;
}

const TIMEOUT_MS = 5000;

/** What may be asked: whether the process serves, or whether what it depends on answers as well. */
export const HEALTH_ROUTES = ['livez', 'readyz'] as const;

/**
 * Asks the service that runs with this configuration on this host how it is: what a container's
 * health check calls, with no other program than the service itself.
 * @returns undefined when it is well, otherwise why not.
 */
export function checkHealth(
  options: ListenOptions,
  route: (typeof HEALTH_ROUTES)[number],
): Promise<string | undefined> {
  const url = `${options.cert_file === undefined ? 'http' : 'https'}://${ownAddress(options.bind_host)}:${options.bind_port}/${route}`;
  return new Promise((resolve) => {
    const fail = (reason: string): void => resolve(`${url}: ${reason}`);
    const request = url.startsWith('https:')
      ? // It asks itself: whose certificate it is does not matter, and may be of another name.
        https.get(url, { timeout: TIMEOUT_MS, rejectUnauthorized: false })
      : http.get(url, { timeout: TIMEOUT_MS });
    request.once('response', (answer) => {
      answer.resume();
      if (answer.statusCode === 200) resolve(undefined);
      else fail(`status ${answer.statusCode}`);
    });
    request.once('timeout', () => {
      request.destroy(new Error(`no answer within ${TIMEOUT_MS / 1000} s`));
    });
    request.once('error', (error: NodeJS.ErrnoException) => {
      // It wants certificates of its callers, and has said so: it lives.
      if (options.ca_file !== undefined && error.code?.startsWith('ERR_SSL') === true) {
        resolve(undefined);
      } else fail(describeError(error));
    });
  });
}

/** Where a service that listens on all addresses, or on one, is reached from its own host. */
function ownAddress(bindHost: string): string {
  if (bindHost === '0.0.0.0' || bindHost === '') return '127.0.0.1';
  if (bindHost === '::') return '[::1]';
  return bindHost.includes(':') ? `[${bindHost}]` : bindHost;
}
