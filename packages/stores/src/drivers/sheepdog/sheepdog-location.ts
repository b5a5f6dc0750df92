import { parseBlobName } from '../../store-driver';
import type { SheepAddress } from './sheep-connection';

export const SCHEMES = ['sheepdog'] as const;
const PREFIX = 'sheepdog://';

export function toLocation({ host, port }: SheepAddress, name: string): string {
  return `${PREFIX}${host}:${port}:${name}`;
}

/**
 * The image of a location in the cluster: `sheepdog://ADDRESS:PORT:IMAGE` with the configured address,
 * or `sheepdog://IMAGE`, as upstream wrote it long ago (stores sheet §8). Nothing of a location is
 * ever connected to.
 * @returns undefined for any other place, and for names that no service gives to blobs.
 */
export function nameOf(locationUrl: string, address: SheepAddress): string | undefined {
  if (!locationUrl.startsWith(PREFIX)) return undefined;
  const rest = locationUrl.slice(PREFIX.length);
  const name = rest.slice(rest.lastIndexOf(':') + 1);
  if (parseBlobName(name) === undefined) return undefined;
  return rest === name || locationUrl === toLocation(address, name) ? name : undefined;
}
