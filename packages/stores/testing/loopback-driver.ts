import type { LookupAddress } from 'node:dns';
import { HttpDriver } from '../src/drivers/http/http-driver';
import { readHttpOptions, type HttpSettings } from '../src/drivers/http/http-options';
import type { StoreOptions } from '../src/store-options';

type OwnSetting = 'idleMs' | 'firstByteMs' | 'resumeAfterMs';

/** An http store that may read from this machine, and from one port of it. */
export function loopbackDriver(
  port: number,
  options: StoreOptions & Pick<Partial<HttpSettings>, OwnSetting> = {},
  resolve?: (host: string) => Promise<LookupAddress[]>,
): HttpDriver {
  const { idleMs, firstByteMs, resumeAfterMs, ...storeOptions } = options;
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
      resumeAfterMs: resumeAfterMs ?? [0, 0, 0],
    },
    resolve,
  );
}
