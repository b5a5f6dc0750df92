import type { LookupAddress } from 'node:dns';
import { HttpDriver } from '../src/drivers/http/http-driver';
import { readHttpOptions } from '../src/drivers/http/http-options';
import type { StoreOptions } from '../src/store-options';

/** An http store that may read from this machine, and from one port of it. */
export function loopbackDriver(
  port: number,
  options: StoreOptions & { idleMs?: number; firstByteMs?: number } = {},
  resolve?: (host: string) => Promise<LookupAddress[]>,
): HttpDriver {
  const { idleMs, firstByteMs, ...storeOptions } = options;
  const settings = readHttpOptions(
    {
      http_store_allowed_networks: ['127.0.0.0/8'],
      http_store_allowed_ports: [String(port)],
      ...storeOptions,
    },
    { storeId: 'http', warn: () => undefined },
  );
  return new HttpDriver(
    {
      ...settings,
      idleMs: idleMs ?? settings.idleMs,
      firstByteMs: firstByteMs ?? settings.firstByteMs,
    },
    resolve,
  );
}
