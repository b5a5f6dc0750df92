import { StoreConfigurationError } from '../../store-configuration-error';
import type { StoreContext } from '../../store-driver';
import { readOptions } from '../../store-options';
import type { StoreOptionTable, StoreOptions } from '../../store-options';
import type { SheepAddress } from './sheep-connection';
import { OBJECT_BYTES } from './vdi';

const MIB = 1024 * 1024;
const MAX_PORT = 65_535;
/** A name or an address, of either kind. */
const HOST = /^(?:[A-Za-z0-9]|[A-Za-z0-9:][A-Za-z0-9._:-]*[A-Za-z0-9])$/;

/** Upstream's options (stores sheet §8). */
export const SHEEPDOG_OPTIONS = {
  sheepdog_store_address: {
    kind: 'text',
    default: '127.0.0.1',
    description:
      'Address of a sheep of the cluster. It is a part of the locations of images: with another one, images that were stored before are not found.',
  },
  sheepdog_store_port: {
    kind: 'integer',
    minimum: 1,
    default: 7000,
    description: 'Port of the sheep. It is a part of the locations, too.',
  },
  sheepdog_store_chunk_size: {
    kind: 'integer',
    minimum: 1,
    default: 64,
    description: `MiB of an upload that are on their way to the cluster at a time, in objects of ${OBJECT_BYTES / MIB} MiB. All uploads of a process share 64 MiB.`,
  },
} as const satisfies StoreOptionTable;

export interface SheepdogSettings {
  address: SheepAddress;
  /** Objects of an upload that are on their way at a time. */
  objectsAtATime: number;
}

/** @throws StoreConfigurationError */
export function readSheepdogOptions(
  options: StoreOptions,
  { storeId }: StoreContext,
): SheepdogSettings {
  const values = readOptions(storeId, SHEEPDOG_OPTIONS, options);
  const problems: string[] = [];
  const complain = (option: keyof typeof SHEEPDOG_OPTIONS, problem: string): void => {
    problems.push(`store ${storeId}: option ${option}: ${problem}`);
  };
  const { sheepdog_store_address: host, sheepdog_store_port: port } = values;
  if (!HOST.test(host)) {
    complain('sheepdog_store_address', 'must be a host name or an IP address, without a port');
  }
  if (port > MAX_PORT) complain('sheepdog_store_port', `must be at most ${MAX_PORT}`);
  if (problems.length > 0) throw new StoreConfigurationError(problems);
  const chunkBytes = values.sheepdog_store_chunk_size * MIB;
  return {
    address: { host, port },
    objectsAtATime: Math.max(1, Math.floor(chunkBytes / OBJECT_BYTES)),
  };
}
