import { StoreConfigurationError } from '../../store-configuration-error';
import type { StoreContext } from '../../store-driver';
import { readOptions } from '../../store-options';
import type { StoreOptionTable, StoreOptions } from '../../store-options';
import type { RbdConnection } from './protocol';

const MIB = 1024 * 1024;
/** Ceph takes objects below 64 MiB. */
const MAX_CHUNK_MIB = 63;
const DEFAULT_TIMEOUT_SECONDS = 20;

/** Upstream's options (stores sheet §7). */
export const RBD_OPTIONS = {
  rbd_store_pool: {
    kind: 'text',
    default: 'images',
    description: 'Pool of the Ceph cluster for images.',
  },
  rbd_store_user: {
    kind: 'text',
    default: '',
    description:
      'User of the cluster, without `client.`. Unset, Ceph decides (admin). It needs the capabilities mon `profile rbd` and osd `profile rbd pool=POOL`.',
  },
  rbd_store_ceph_conf: {
    kind: 'text',
    default: '',
    description:
      'Configuration file of Ceph. Unset, Ceph looks where it always does, such as in /etc/ceph/ceph.conf.',
  },
  rbd_store_chunk_size: {
    kind: 'integer',
    minimum: 1,
    default: 8,
    description: `MiB of an object of an image, rounded down to a power of two, at most ${MAX_CHUNK_MIB}.`,
  },
  rbd_thin_provisioning: {
    kind: 'boolean',
    default: false,
    description:
      'Do not write pieces (512 KiB as a rule) that are all zeros. They take no space and read as zeros.',
  },
  rados_connect_timeout: {
    kind: 'integer',
    minimum: -1,
    default: DEFAULT_TIMEOUT_SECONDS,
    description:
      'Seconds after which an operation, or the connection, that Ceph does not answer has failed. -1: as the configuration of Ceph says, which is never unless it says otherwise.',
  },
} as const satisfies StoreOptionTable;

export interface RbdSettings {
  connection: RbdConnection;
  /** Of a chunk as it is configured. */
  chunkBytes: number;
  /** Power of two of the bytes of an object. */
  order: number;
  thin: boolean;
}

/** @throws StoreConfigurationError */
export function readRbdOptions(options: StoreOptions, { storeId }: StoreContext): RbdSettings {
  const values = readOptions(storeId, RBD_OPTIONS, options);
  const problems: string[] = [];
  const complain = (option: keyof typeof RBD_OPTIONS, problem: string): void => {
    problems.push(`store ${storeId}: option ${option}: ${problem}`);
  };
  if (values.rbd_store_pool === '') {
    complain('rbd_store_pool', 'must be the name of a pool, such as images');
  }
  if (values.rbd_store_chunk_size > MAX_CHUNK_MIB) {
    complain('rbd_store_chunk_size', `must be at most ${MAX_CHUNK_MIB}`);
  }
  if (problems.length > 0) throw new StoreConfigurationError(problems);
  const timeout = values.rados_connect_timeout;
  const chunkBytes = values.rbd_store_chunk_size * MIB;
  return {
    connection: {
      configurationFile: values.rbd_store_ceph_conf || undefined,
      user: values.rbd_store_user || undefined,
      pool: values.rbd_store_pool,
      timeoutSeconds: timeout === -1 ? undefined : timeout,
    },
    chunkBytes,
    order: Math.floor(Math.log2(chunkBytes)),
    thin: values.rbd_thin_provisioning,
  };
}
