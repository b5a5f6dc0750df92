import http from 'node:http';
import https from 'node:https';
import { describeError } from '@glance/common';
import { readTlsFiles, type TlsOptions } from '../tls-files';

/** `[DEFAULT]` options that say where a service listens. */
export interface ListenOptions extends TlsOptions {
  readonly bind_host: string;
  readonly bind_port: number;
}

const TIMEOUT_MS = 5000;

/** What may be asked: whether the process serves, or whether what it depends on answers as well. */
export const HEALTH_ROUTES = ['livez', 'readyz'] as const;

/**
 * Asks the service that runs with this configuration on this host how it is: what a container's
 * health check calls, with no other program than the service itself. A service that wants
 * certificates of its callers is shown its own; when that is not good enough, the refusal is a sign
 * of life, and readiness is not known.
 * @returns undefined when it is well, otherwise why not.
 * @throws Error that names the option of a file that cannot be used.
 */
export async function checkHealth(
  options: ListenOptions,
  route: (typeof HEALTH_ROUTES)[number],
): Promise<string | undefined> {
  const tls = readTlsFiles(options);
  const url = `${tls ? 'https' : 'http'}://${ownAddress(options.bind_host)}:${options.bind_port}/${route}`;
  return await new Promise((resolve) => {
    let isConnected = false;
    const fail = (reason: string): void => resolve(`${url}: ${reason}`);
    const request = tls
      ? // It asks itself: the certificate may be of another name.
        https.get(url, {
          timeout: TIMEOUT_MS,
          rejectUnauthorized: false,
          ...(tls.clientCa ? { cert: tls.cert, key: tls.key } : {}),
        })
      : http.get(url, { timeout: TIMEOUT_MS });
    request.once('response', (answer) => {
      answer.resume();
      if (answer.statusCode === 200) resolve(undefined);
      else fail(`status ${answer.statusCode}`);
    });
    request.once('timeout', () => {
      request.destroy(new Error(`no answer within ${TIMEOUT_MS / 1000} s`));
    });
    request.once('socket', (socket) => {
      socket.once('secureConnect', () => {
        isConnected = true;
      });
    });
    request.once('error', (error: NodeJS.ErrnoException) => {
      const isRefusal = isConnected || error.code?.startsWith('ERR_SSL') === true;
      if (tls?.clientCa === undefined || !isRefusal) fail(describeError(error));
      else if (route === 'livez') resolve(undefined);
      else fail(`its own certificate is not one that ca_file lets call: ${describeError(error)}`);
    });
  });
}

/** Where a service that listens on all addresses, or on one, is reached from its own host. */
function ownAddress(bindHost: string): string {
  if (bindHost === '0.0.0.0' || bindHost === '') return '127.0.0.1';
  if (bindHost === '::') return '[::1]';
  return bindHost.includes(':') ? `[${bindHost}]` : bindHost;
}
