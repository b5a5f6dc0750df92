import { InstrumentedStore } from '../../instrumented-store';
import type { StoreOptions } from '../../store-options';
import { HttpDriver } from './http-driver';
import { HTTP_OPTIONS, readHttpOptions } from './http-options';

export interface WebReaderRules {
  /** Beside 80, 443 and those of the options. */
  ports: readonly number[];
  /** Asked of every URL, of redirects too. */
  permits: (url: URL) => boolean;
  /** For the operator's log. */
  warn: (message: string) => void;
}

const ID = 'web';

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
  const ports = new Set([...settings.ports, ...rules.ports]);
  const driver = new HttpDriver({ ...settings, ports, permits: rules.permits });
  return new InstrumentedStore(driver, { id: ID, type: 'http' });
}
