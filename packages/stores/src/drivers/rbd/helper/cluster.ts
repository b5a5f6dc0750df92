import type { RbdConnection } from '../protocol';
import { CephError, ENOENT, given, hasErrno, librados } from './native';
import type { Handle } from './native';

const EPERM = 1;
const EACCES = 13;
const FSID_BYTES = 64;
const PROBE_OBJECT = 'glance_probe';

/** A mistake of the operator's, with the option that has it. */
export class ConfigurationMistake extends Error {
  constructor(
    readonly option: string,
    message: string,
  ) {
    super(message);
    this.name = 'ConfigurationMistake';
  }
}

/** The pool was there once, and is not any more. */
export class PoolMissing extends Error {
  constructor(pool: string) {
    super(`pool ${pool} is not there any more`);
    this.name = 'PoolMissing';
  }
}

/** A connection to a cluster and one of its pools. */
export class Cluster {
  private constructor(
    private readonly handle: Handle,
    /** The pool, as the libraries know it. */
    readonly io: Handle,
    readonly fsid: string,
    private readonly pool: string,
  ) {}

  /** @throws ConfigurationMistake, CephError. */
  static async connect(settings: RbdConnection): Promise<Cluster> {
    const { user, pool } = settings;
    const handle = await given((out) => librados.create(out, user ?? null));
    try {
      await configure(handle, settings);
      await connect(handle, user);
      const io = await openPool(handle, pool);
      // A full pool would make every write wait for ever (stores sheet §7).
      librados.failWhenFull(io);
      const text = Buffer.alloc(FSID_BYTES);
      const length = await librados.fsid(handle, text, text.length);
      return new Cluster(handle, io, text.toString('latin1', 0, length), pool);
    } catch (error) {
      await librados.shutdown(handle);
      throw error;
    }
  }

  /** A missing pool has no images, but nobody has removed them from it. */
  async requirePool(): Promise<void> {
    try {
      await librados.lookUpPool(this.handle, this.pool);
    } catch (error) {
      if (hasErrno(error, ENOENT)) throw new PoolMissing(this.pool);
      throw error;
    }
  }

  /** Proves that the pool can be written now. A full one takes no new object, however small. */
  async probe(): Promise<void> {
    await librados.writeObject(this.io, PROBE_OBJECT, PROBE_OBJECT, 1);
    try {
      await librados.removeObject(this.io, PROBE_OBJECT);
    } catch (error) {
      // Another process asked the same, and was faster.
      if (!hasErrno(error, ENOENT)) throw error;
    }
  }

  async close(): Promise<void> {
    librados.closePool(this.io);
    await librados.shutdown(this.handle);
  }
}

async function configure(handle: Handle, settings: RbdConnection): Promise<void> {
  const { configurationFile, timeoutSeconds } = settings;
  try {
    await librados.readConfiguration(handle, configurationFile ?? null);
  } catch (error) {
    if (!(error instanceof CephError)) throw error;
    const file = configurationFile ?? 'none of the files where Ceph looks (/etc/ceph/ceph.conf…)';
    throw new ConfigurationMistake(
      'rbd_store_ceph_conf',
      `${file} cannot be read as a Ceph configuration (errno ${error.errno}): name one that can`,
    );
  }
  const values: Record<string, string> = {
    // Each write is as large as an object, and its errors must not come later than its answer.
    rbd_cache: 'false',
  };
  if (timeoutSeconds !== undefined) {
    for (const name of ['rados_osd_op_timeout', 'rados_mon_op_timeout', 'client_mount_timeout']) {
      values[name] = String(timeoutSeconds);
    }
  }
  for (const [name, value] of Object.entries(values)) {
    await librados.configure(handle, name, value);
  }
}

async function connect(handle: Handle, user: string | undefined): Promise<void> {
  try {
    await librados.connect(handle);
  } catch (error) {
    const name = `client.${user ?? 'admin'}`;
    if (hasErrno(error, EPERM, EACCES)) {
      throw new ConfigurationMistake(
        'rbd_store_user',
        `the cluster refuses ${name}: compare its key in the keyring with \`ceph auth get ${name}\``,
      );
    }
    if (hasErrno(error, ENOENT)) {
      throw new ConfigurationMistake(
        'rbd_store_user',
        `no keyring with a key of ${name}, or no monitor, is found: set keyring and mon_host in the Ceph configuration`,
      );
    }
    throw error;
  }
}

async function openPool(handle: Handle, pool: string): Promise<Handle> {
  try {
    return await given((out) => librados.openPool(handle, pool, out));
  } catch (error) {
    if (!hasErrno(error, ENOENT)) throw error;
    throw new ConfigurationMistake(
      'rbd_store_pool',
      `the cluster has no pool ${pool}: make it (ceph osd pool create ${pool}, rbd pool init ${pool}) or name another`,
    );
  }
}
