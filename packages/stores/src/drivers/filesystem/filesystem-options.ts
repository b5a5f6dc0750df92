import { isAbsolute, resolve } from 'node:path';
import { StoreConfigurationError } from '../../store-configuration-error';
import { readOptions } from '../../store-options';
import type { StoreOptionTable, OptionValues, StoreOptions } from '../../store-options';
import type { StoreContext } from '../../store-driver';

const DEFAULT_DATADIR = '/var/lib/glance/images';
const DEFAULT_CHUNK_BYTES = 512 * 1024;
const MINIMUM_CHUNK_BYTES = 256 * 1024;

/** Upstream's options (stores sheet §3) and `filesystem_store_sync`. */
export const FILESYSTEM_OPTIONS = {
  // No default here: it would count as set beside filesystem_store_datadirs.
  filesystem_store_datadir: {
    kind: 'text',
    description: `Directory for image files. ${DEFAULT_DATADIR} unless filesystem_store_datadirs is set.`,
  },
  filesystem_store_datadirs: {
    kind: 'list',
    default: [],
    description:
      'Directories for image files, each PATH or PATH:PRIORITY (0 when absent). The highest priority ' +
      'is used first, within one priority the directory with the most free space.',
  },
  filesystem_store_metadata_file: {
    kind: 'text',
    default: '',
    description:
      'JSON file, an object or a list of objects with "id" and "mountpoint", that is recorded with ' +
      'the locations of images below the mount point.',
  },
  filesystem_store_file_perm: {
    kind: 'text',
    default: '0',
    description: 'Permission bits of image files, octal digits. 0 leaves them as created (0640).',
  },
  filesystem_store_chunk_size: {
    kind: 'integer',
    minimum: 1,
    default: DEFAULT_CHUNK_BYTES,
    description: `Bytes per read. Values below ${MINIMUM_CHUNK_BYTES} act as ${MINIMUM_CHUNK_BYTES}.`,
  },
  filesystem_thin_provisioning: {
    kind: 'boolean',
    default: false,
    description: 'Leave holes in image files where a chunk holds only zero bytes.',
  },
  filesystem_store_timeout: {
    kind: 'integer',
    minimum: 0,
    default: 0,
    description:
      'Seconds after which an operation that transfers no image bytes fails. 0 leaves the limit to ' +
      'the service.',
  },
  filesystem_store_thread_pool_size: {
    kind: 'integer',
    default: 10,
    description: 'Accepted for compatibility, without effect.',
  },
  filesystem_store_threadpool_threshold: {
    kind: 'integer',
    default: 75,
    description: 'Accepted for compatibility, without effect.',
  },
  filesystem_store_sync: {
    kind: 'boolean',
    default: true,
    description:
      'Answer an upload only when its file and directory entry are on stable storage. false is ' +
      'faster and loses acknowledged images on a power failure.',
  },
} as const satisfies StoreOptionTable;

export interface FilesystemSettings {
  directories: { path: string; priority: number; option: string }[];
  metadataFile: string | undefined;
  filePermissions: number | undefined;
  chunkBytes: number;
  thinProvisioning: boolean;
  timeoutMs: number | undefined;
  sync: boolean;
}

/** @throws StoreConfigurationError with everything that is wrong. */
export function readFilesystemOptions(
  options: StoreOptions,
  context: StoreContext,
): FilesystemSettings {
  const values = readOptions(context.storeId, FILESYSTEM_OPTIONS, options);
  const problems: string[] = [];
  const report = (option: string, problem: string): void => {
    problems.push(`store ${context.storeId}: option ${option}: ${problem}`);
  };
  const settings: FilesystemSettings = {
    directories: readDirectories(values, report, context.warn),
    metadataFile: values.filesystem_store_metadata_file || undefined,
    filePermissions: readPermissions(values.filesystem_store_file_perm, report),
    chunkBytes: Math.max(values.filesystem_store_chunk_size, MINIMUM_CHUNK_BYTES),
    thinProvisioning: values.filesystem_thin_provisioning,
    timeoutMs: values.filesystem_store_timeout * 1000 || undefined,
    sync: values.filesystem_store_sync,
  };
  if (problems.length > 0) throw new StoreConfigurationError(problems);
  return settings;
}

type Report = (option: string, problem: string) => void;

function readDirectories(
  values: OptionValues<typeof FILESYSTEM_OPTIONS>,
  report: Report,
  warn: (message: string) => void,
): FilesystemSettings['directories'] {
  const single = values.filesystem_store_datadir;
  if (values.filesystem_store_datadirs.length > 0) {
    if (single) {
      report(
        'filesystem_store_datadir',
        `is set (${single}) and so is filesystem_store_datadirs: set only one of them`,
      );
    }
    return readWeighted(values.filesystem_store_datadirs, report, warn);
  }
  const option = 'filesystem_store_datadir';
  const path = single ?? DEFAULT_DATADIR;
  if (path === '') {
    report(option, 'is empty, and filesystem_store_datadirs is not set: set one of them to a path');
  } else if (!isAbsolute(path)) {
    report(option, `${path} is not an absolute path: begin it with /`);
  }
  return [{ path: resolve(path), priority: 0, option }];
}

function readWeighted(
  entries: readonly string[],
  report: Report,
  warn: (message: string) => void,
): FilesystemSettings['directories'] {
  const option = 'filesystem_store_datadirs';
  const priorities = new Map<string, number>();
  for (const entry of entries) {
    const colon = entry.lastIndexOf(':');
    const given = (colon === -1 ? entry : entry.slice(0, colon)).trim();
    const weight = colon === -1 ? '' : entry.slice(colon + 1).trim();
    if (weight !== '' && !/^\d{1,9}$/.test(weight)) {
      report(option, `${entry}: the priority after the last colon must be a whole number`);
      continue;
    }
    if (!isAbsolute(given)) {
      report(option, `${entry}: the path before the last colon must be absolute`);
      continue;
    }
    const path = resolve(given);
    const priority = Number(weight);
    const before = priorities.get(path);
    if (before === priority) warn(`${option}: ${path} is listed twice with priority ${priority}`);
    else if (before !== undefined) {
      report(option, `${path} has two priorities, ${before} and ${priority}: keep one`);
    }
    priorities.set(path, priority);
  }
  return [...priorities].map(([path, priority]) => ({ path, priority, option }));
}

function readPermissions(text: string, report: Report): number | undefined {
  if (/^-\d+$/.test(text)) return undefined;
  const permissions = /^[0-7]{1,5}$/.test(text) ? parseInt(text, 8) : NaN;
  const problem = permissionProblem(permissions);
  if (problem !== undefined) report('filesystem_store_file_perm', `${text} ${problem}`);
  return permissions === 0 ? undefined : permissions;
}

function permissionProblem(permissions: number): string | undefined {
  if (Number.isNaN(permissions)) return 'is not a number of octal digits';
  if (permissions > 0o777) return 'has bits beyond 0777';
  if (permissions !== 0 && (permissions & 0o400) === 0) {
    return 'would keep the service from reading its own files: allow 0400';
  }
  return undefined;
}
