import { InstrumentedStore } from '../../instrumented-store';
import type { StoreOptions } from '../../store-options';
import { AddressFilter } from '../../outbound/address-filter';
import { HttpDriver } from './http-driver';
import { HTTP_OPTIONS, readHttpOptions } from './http-options';

export interface WebReaderRules {
  /** Beside 80, 443 and those of the options; `any` where `permits` alone decides. */
  ports: readonly number[] | 'any';
  /** Asked of every URL, of redirects too. */
  permits: (url: URL) => boolean;
  /**
   * For what is not named by a user: an origin at whatever address, and headers that are for nobody
   * else. Redirects away from it go by the rules.
   */
  trusted?: { origin: string; headers: Readonly<Record<string, string>> };
  /** For the operator's log. */
  warn: (message: string) => void;
}

const ID = 'web';
const ANY_ADDRESS = new AddressFilter({ allowedNetworks: ['0.0.0.0/0', '::/0'] });

/**
 * Reads what users name for an import, by the rules of the http store and further ones, whether or
 * not there is such a store.
 * @param options may hold those of other kinds of stores too
 * @throws StoreConfigurationError
 */
export function createWebReader(options: StoreOptions, rules: WebReaderRules): InstrumentedStore {
  const own = Object.fromEntries(
    Object.entries(options).filter(([name]) => Object.hasOwn(HTTP_OPTIONS, name)),
  );
  const settings = readHttpOptions(own, { storeId: ID, warn: rules.warn });
  const { permits, trusted } = rules;
  const ports = rules.ports === 'any' ? rules.ports : new Set([...settings.ports, ...rules.ports]);
  const driver = new HttpDriver({
    ...settings,
    ports,
    permits,
    ...(trusted && { addresses: ANY_ADDRESS, secrets: trusted }),
  });
  return new InstrumentedStore(driver, { id: ID, type: 'http' });
}
