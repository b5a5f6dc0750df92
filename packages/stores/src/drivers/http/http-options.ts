import type { OutboundRules } from '../../outbound/outbound-fetcher';
import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { AddressFilter } from '../../outbound/address-filter';
import { StoreConfigurationError } from '../../store-configuration-error';
import { readOptions } from '../../store-options';
import type { StoreOptionTable, StoreOptions } from '../../store-options';
import type { StoreContext } from '../../store-driver';

const PUBLIC_PORTS = [80, 443];

/** Upstream's options (stores sheet §4) and those of the outbound filter (security sheet §3). */
export const HTTP_OPTIONS = {
  https_ca_certificates_file: {
    kind: 'text',
    default: '',
    description:
      'File (PEM) with the authorities that must have signed the certificates of https sources. The ' +
      'public ones unless set.',
  },
  https_insecure: {
    kind: 'boolean',
    default: false,
    description:
      'Accepted for compatibility, without effect: certificates are always verified. Name the ' +
      'authority of private ones in https_ca_certificates_file.',
  },
  http_proxy_information: {
    kind: 'text',
    default: '',
    description: 'Accepted for compatibility, without effect: sources are read without a proxy.',
  },
  http_store_allowed_networks: {
    kind: 'list',
    default: [],
    description:
      'Networks (CIDR, repeatable or separated by commas) that sources may lie in although they are ' +
      'not public, such as 10.1.2.0/24. Every user who may set a location or copy an image reaches ' +
      'all of them.',
  },
  http_store_denied_networks: {
    kind: 'list',
    default: [],
    description:
      'Networks (CIDR, repeatable or separated by commas) that sources may not lie in, whatever else ' +
      'is allowed: public addresses of your own services belong here.',
  },
  http_store_allowed_ports: {
    kind: 'list',
    default: [],
    description:
      'Ports (repeatable or separated by commas) that sources may use besides 80 and 443.',
  },
  http_store_connect_timeout: {
    kind: 'integer',
    minimum: 1,
    default: 5,
    description:
      'Seconds to resolve the name of a source, to connect to it and to agree on TLS: each.',
  },
  http_store_first_byte_timeout: {
    kind: 'integer',
    minimum: 1,
    default: 30,
    description: 'Seconds until a source answers a request.',
  },
  http_store_idle_timeout: {
    kind: 'integer',
    minimum: 1,
    default: 60,
    description: 'Seconds without a byte after which a transfer from a source has failed.',
  },
} as const satisfies StoreOptionTable;

export interface HttpSettings {
  addresses: AddressFilter;
  ports: ReadonlySet<number>;
  ca: Buffer | undefined;
  connectMs: number;
  firstByteMs: number;
  idleMs: number;
  /** As in OutboundRules. */
  permits?: ((url: URL) => boolean) | undefined;
  /** As in OutboundRules. */
  secrets?: OutboundRules['secrets'];
  /** Milliseconds before each attempt to go on with data that broke off; the driver's own unless set. */
  resumeAfterMs?: readonly number[] | undefined;
}

/** @throws StoreConfigurationError with everything that is wrong. */
export function readHttpOptions(options: StoreOptions, context: StoreContext): HttpSettings {
  const values = readOptions(context.storeId, HTTP_OPTIONS, options);
  const problems: string[] = [];
  const attempt = <T>(option: keyof typeof HTTP_OPTIONS, work: () => T): T | undefined => {
    try {
      return work();
    } catch (error) {
      problems.push(`store ${context.storeId}: option ${option}: ${(error as Error).message}`);
      return undefined;
    }
  };
  const allowedNetworks = items(values.http_store_allowed_networks);
  const deniedNetworks = items(values.http_store_denied_networks);
  attempt('http_store_allowed_networks', () => new AddressFilter({ allowedNetworks }));
  attempt('http_store_denied_networks', () => new AddressFilter({ deniedNetworks }));
  const ports = attempt('http_store_allowed_ports', () =>
    items(values.http_store_allowed_ports).map(toPort),
  );
  const caFile = values.https_ca_certificates_file;
  const ca =
    caFile === ''
      ? undefined
      : attempt('https_ca_certificates_file', () => readAuthorities(caFile));
  if (problems.length > 0) throw new StoreConfigurationError(problems);
  if (values.https_insecure) {
    context.warn(
      'https_insecure = true has no effect: certificates are verified. Name the authority of private ones in https_ca_certificates_file',
    );
  }
  if (values.http_proxy_information !== '') {
    context.warn('http_proxy_information has no effect: sources are read without a proxy');
  }
  return {
    addresses: new AddressFilter({ allowedNetworks, deniedNetworks }),
    ports: new Set([...PUBLIC_PORTS, ...(ports ?? [])]),
    ca,
    connectMs: values.http_store_connect_timeout * 1000,
    firstByteMs: values.http_store_first_byte_timeout * 1000,
    idleMs: values.http_store_idle_timeout * 1000,
  };
}

function readAuthorities(file: string): Buffer {
  const ca = readFileSync(file);
  createSecureContext({ ca });
  return ca;
}

function items(values: readonly string[]): string[] {
  return values
    .flatMap((value) => value.split(','))
    .map((item) => item.trim())
    .filter((item) => item !== '');
}

function toPort(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (port < 1 || port > 65_535) throw new RangeError(`${text} is no port from 1 to 65535`);
  return port;
}
