import type { CatalogService } from '@glance/keystone-client';
import type { Request } from 'express';

/** The services that the caller of a request may use, by what vouches for the caller. */
export type CatalogReader = (req: Request) => Promise<readonly CatalogService[]>;

/** The interfaces of an endpoint, as the Identity API v3 names them. */
const INTERFACES = ['public', 'internal', 'admin'] as const;

/**
 * The header X-Service-Catalog of an authenticating proxy, which is in the form of the Identity API
 * v2. What is no catalog counts as an empty one.
 */
export function catalogFromHeader(text: string | undefined): CatalogService[] {
  if (text === undefined) return [];
  let services: unknown;
  try {
    services = JSON.parse(text);
  } catch {
    return [];
  }
  return asArray(services).map((service) => ({
    type: String(service['type']),
    endpoints: asArray(service['endpoints']).flatMap((endpoint) =>
      INTERFACES.map((name) => ({
        interface: name,
        region: typeof endpoint['region'] === 'string' ? endpoint['region'] : null,
        url: endpoint[`${name}URL`],
      })).filter((each): each is typeof each & { url: string } => typeof each.url === 'string'),
    ),
  }));
}

function asArray(value: unknown): Record<string, unknown>[] {
  if (!Array.isArray(value)) return [];
  return value.filter((each): each is Record<string, unknown> => isObject(each));
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export interface WantedEndpoint {
  type: string;
  interface: string;
  /** Any unless set; letters of any case. */
  region?: string | undefined;
}

/** @returns the URL as the catalog has it */
export function serviceEndpoint(
  catalog: readonly CatalogService[],
  { type, interface: interfaceName, region }: WantedEndpoint,
): string | undefined {
  const wanted = region?.toLowerCase();
  return catalog
    .filter((service) => service.type === type)
    .flatMap(({ endpoints }) => endpoints)
    .find(
      (each) =>
        each.interface === interfaceName &&
        (wanted === undefined || (each.region ?? each.region_id)?.toLowerCase() === wanted),
    )?.url;
}

/** @returns the base of the image service's URLs, without its version */
export function imageEndpoint(
  catalog: readonly CatalogService[],
  region: string,
  interfaceName: string,
): string | undefined {
  return serviceEndpoint(catalog, { type: 'image', interface: interfaceName, region })
    ?.replace(/\/+$/, '')
    .replace(/\/v2$/, '');
}
