import { lookup, type LookupAddress } from 'node:dns';
import type { LookupFunction } from 'node:net';
import { promisify } from 'node:util';

const systemLookup = promisify(lookup);

/** All addresses of a host, as this system knows it. @throws as `dns.lookup`. */
export function lookupAll(host: string): Promise<LookupAddress[]> {
  return systemLookup(host, { all: true });
}

/** Gives these addresses for whatever host, in the form that Node asks for. */
export function answerWith(addresses: readonly LookupAddress[]): LookupFunction {
  return (_host, options, callback) => {
    const [first] = addresses;
    if (options.all === true) callback(null, [...addresses]);
    else callback(null, first?.address ?? '', first?.family ?? 0);
  };
}
