import * as koffi from 'koffi';

/** A handle of the C libraries; their functions alone know what is behind it. */
export type Handle = unknown;

/** A call of Ceph's libraries that failed, with its errno as a positive number. */
export class CephError extends Error {
  constructor(
    readonly call: string,
    readonly errno: number,
  ) {
    super(`${call} failed with errno ${errno}`);
    this.name = 'CephError';
  }
}

export const ENOENT = 2;
export const EIO = 5;
export const EAGAIN = 11;
export const EBUSY = 16;
export const EEXIST = 17;
export const EINVAL = 22;
export const ERANGE = 34;

type Native = koffi.KoffiFunc<(...args: unknown[]) => unknown>;

const rados = koffi.load('librados.so.2');
const rbd = koffi.load('librbd.so.1');

/**
 * The result of a call on a thread of its own, which must not be negative. What is passed by
 * reference stays referenced until then.
 */
function asynchronous(library: koffi.LibraryHandle, prototype: string) {
  const native = library.func(prototype) as unknown as Native;
  const name = /\w+(?=\()/.exec(prototype)?.[0] ?? prototype;
  return (...args: unknown[]): Promise<number> =>
    new Promise((resolve, reject) => {
      native.async(...args, (error: Error | null, result: unknown) => {
        // Keeps the buffers of the arguments alive until here.
        args.length = 0;
        const value = Number(result);
        if (error) reject(error);
        else if (value < 0) reject(new CephError(name, -value));
        else resolve(value);
      });
    });
}

/** Those that wait for nothing. */
function immediate(library: koffi.LibraryHandle, prototype: string) {
  return library.func(prototype) as unknown as (...args: unknown[]) => unknown;
}

const later = (prototype: string) => asynchronous(rados, prototype);
const atOnce = (prototype: string) => immediate(rados, prototype);
const laterRbd = (prototype: string) => asynchronous(rbd, prototype);
const atOnceRbd = (prototype: string) => immediate(rbd, prototype);

export const librados = {
  create: later('int rados_create(_Out_ void **cluster, const char *user)'),
  readConfiguration: later('int rados_conf_read_file(void *cluster, const char *path)'),
  configure: later('int rados_conf_set(void *cluster, const char *option, const char *value)'),
  connect: later('int rados_connect(void *cluster)'),
  shutdown: later('int rados_shutdown(void *cluster)'),
  fsid: later('int rados_cluster_fsid(void *cluster, void *text, size_t length)'),
  lookUpPool: later('int64_t rados_pool_lookup(void *cluster, const char *pool)'),
  openPool: later('int rados_ioctx_create(void *cluster, const char *pool, _Out_ void **io)'),
  closePool: atOnce('void rados_ioctx_destroy(void *io)'),
  failWhenFull: atOnce('void rados_set_pool_full_try(void *io)'),
  execute: later(
    'int rados_exec(void *io, const char *object, const char *cls, const char *method, const void *input, size_t input_length, void *output, size_t output_length)',
  ),
  writeObject: later(
    'int rados_write_full(void *io, const char *object, const char *bytes, size_t length)',
  ),
  removeObject: later('int rados_remove(void *io, const char *object)'),
  lock: later(
    'int rados_lock_exclusive(void *io, const char *object, const char *name, const char *cookie, const char *description, void *duration, uint8_t flags)',
  ),
  newWrite: atOnce('void *rados_create_write_op()'),
  releaseWrite: atOnce('void rados_release_write_op(void *op)'),
  omapSet: atOnce(
    'void rados_write_op_omap_set(void *op, const char **keys, const char **values, const size_t *lengths, size_t count)',
  ),
  omapRemove: atOnce('void rados_write_op_omap_rm_keys(void *op, const char **keys, size_t count)'),
  write: later(
    'int rados_write_op_operate(void *op, void *io, const char *object, void *time, int flags)',
  ),
  newRead: atOnce('void *rados_create_read_op()'),
  releaseRead: atOnce('void rados_release_read_op(void *op)'),
  omapGet: atOnce(
    'void rados_read_op_omap_get_vals2(void *op, const char *after, const char *prefix, uint64_t count, void *iterator, void *more, void *result)',
  ),
  read: later('int rados_read_op_operate(void *op, void *io, const char *object, int flags)'),
  omapNext: atOnce(
    'int rados_omap_get_next(void *iterator, _Out_ const char **key, _Out_ void **value, _Out_ size_t *length)',
  ),
  omapEnd: atOnce('void rados_omap_get_end(void *iterator)'),
};

export const librbd = {
  newOptions: atOnceRbd('void rbd_image_options_create(_Out_ void **options)'),
  setOption: atOnceRbd(
    'int rbd_image_options_set_uint64(void *options, int option, uint64_t value)',
  ),
  releaseOptions: atOnceRbd('void rbd_image_options_destroy(void *options)'),
  create: laterRbd('int rbd_create4(void *io, const char *name, uint64_t size, void *options)'),
  open: laterRbd(
    'int rbd_open(void *io, const char *name, _Out_ void **image, const char *snapshot)',
  ),
  openReadOnly: laterRbd(
    'int rbd_open_read_only(void *io, const char *name, _Out_ void **image, const char *snapshot)',
  ),
  close: laterRbd('int rbd_close(void *image)'),
  remove: laterRbd('int rbd_remove(void *io, const char *name)'),
  list: laterRbd('int rbd_list(void *io, void *names, _Inout_ size_t *size)'),
  size: laterRbd('int rbd_get_size(void *image, _Out_ uint64_t *size)'),
  resize: laterRbd('int rbd_resize(void *image, uint64_t size)'),
  id: laterRbd('int rbd_get_id(void *image, void *text, size_t length)'),
  modified: laterRbd('int rbd_get_modify_timestamp(void *image, void *time)'),
  write: laterRbd(
    'int64_t rbd_write(void *image, uint64_t offset, size_t length, const void *bytes)',
  ),
  read: laterRbd('int64_t rbd_read(void *image, uint64_t offset, size_t length, void *bytes)'),
  flush: laterRbd('int rbd_flush(void *image)'),
  setMetadata: laterRbd('int rbd_metadata_set(void *image, const char *key, const char *value)'),
  getMetadata: laterRbd(
    'int rbd_metadata_get(void *image, const char *key, void *value, _Inout_ size_t *length)',
  ),
  listSnapshots: laterRbd('int rbd_snap_list(void *image, void *snapshots, _Inout_ int *count)'),
  snapshotId: laterRbd('int rbd_snap_get_id(void *image, const char *name, _Out_ uint64_t *id)'),
  createSnapshot: laterRbd('int rbd_snap_create(void *image, const char *name)'),
  removeSnapshot: laterRbd('int rbd_snap_remove(void *image, const char *name)'),
  selectSnapshot: laterRbd('int rbd_snap_set(void *image, const char *name)'),
  protectSnapshot: laterRbd('int rbd_snap_protect(void *image, const char *name)'),
  unprotectSnapshot: laterRbd('int rbd_snap_unprotect(void *image, const char *name)'),
  listClones: laterRbd('int rbd_list_children3(void *image, void *clones, _Inout_ size_t *count)'),
  listWatchers: laterRbd(
    'int rbd_watchers_list(void *image, void *watchers, _Inout_ size_t *count)',
  ),
};

/** What a call gives back by reference. */
export async function given(
  call: (out: unknown[]) => Promise<unknown>,
  initial: unknown = null,
): Promise<Handle> {
  const out = [initial];
  await call(out);
  return out[0];
}

/** How many entries a list has, by the way these functions ask for more room. */
export async function countOf(call: (count: unknown[]) => Promise<unknown>): Promise<number> {
  const count: unknown[] = [0];
  try {
    await call(count);
  } catch (error) {
    if (!hasErrno(error, ERANGE)) throw error;
  }
  return Number(count[0]);
}

export function hasErrno(error: unknown, ...numbers: number[]): boolean {
  return error instanceof CephError && numbers.includes(error.errno);
}

/** The pointer that a library has written into memory. */
export function pointerIn(memory: Buffer): Handle {
  return koffi.decode(memory, 'void *');
}

/** Text of so many bytes at a place of a library's. */
export function textAt(place: Handle, length: number): string {
  return koffi.decode(place, koffi.array('char', length, 'String')) as string;
}
