import { describeError } from '@glance/common';
import { KeystoneSession } from '@glance/keystone-client';
import { MANAGE_EXIT, type ManageInvocation } from '@glance/service-kit';
import { RELEASE } from '../release';
import {
  CACHE_COMMANDS,
  cacheManageUsage,
  readCacheManageOptions,
  type CacheManageOptions,
} from './cache-manage-options';

export interface CacheManageInvocation extends ManageInvocation {
  /** @returns what the operator answers. */
  ask(question: string): Promise<string>;
}

interface CachedImage {
  image_id: string;
  hits: number;
  last_accessed: number;
  last_modified: number;
  size: number;
}

interface Listed {
  cached_images: CachedImage[];
  queued_images: string[];
  num_deleted: number;
}

const TIMEOUT_MS = 60_000;

/**
 * `glance-cache-manage`: manages the cache of one api by its older routes (lifecycle sheet §8).
 * @returns the exit code.
 */
export async function runCacheManage(invocation: CacheManageInvocation): Promise<number> {
  const { argv, env, print, printError } = invocation;
  try {
    const options = readCacheManageOptions(argv, env);
    if (!options) {
      const wantsHelp = argv.some((word) => ['help', '-h', '--help'].includes(word));
      (wantsHelp ? print : printError)(cacheManageUsage());
      return wantsHelp ? MANAGE_EXIT.ok : MANAGE_EXIT.usage;
    }
    if (!options.isForced && !(await isConfirmed(options, invocation))) return MANAGE_EXIT.ok;
    await runCommand(options, invocation);
    return MANAGE_EXIT.ok;
  } catch (error) {
    printError(`ERROR: ${describeError(error)}`);
    return MANAGE_EXIT.failed;
  }
}

async function isConfirmed(
  { command, imageId }: CacheManageOptions,
  invocation: CacheManageInvocation,
): Promise<boolean> {
  const about = CACHE_COMMANDS[command];
  if (!('question' in about)) return true;
  const answer = await invocation.ask(`${about.question(imageId)} [y/N] `);
  return ['y', 'yes'].includes(answer.trim().toLowerCase());
}

async function runCommand(
  options: CacheManageOptions,
  { print, printError }: CacheManageInvocation,
): Promise<void> {
  const token = await tokenOf(options);
  const call = async (method: string, path: string): Promise<Listed> => {
    const url = `${options.url}/v2/${path}`;
    if (options.isVerbose) printError(`${method} ${url}`);
    const answer = await fetch(url, {
      method,
      headers: { accept: 'text/plain', ...(token === undefined ? {} : { 'x-auth-token': token }) },
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    const body = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${url} is answered ${answer.status}: ${body}`);
    return JSON.parse(body) as Listed;
  };
  const image = encodeURIComponent(options.imageId);
  switch (options.command) {
    case 'list-cached':
      cachedLines((await call('GET', 'cached_images')).cached_images).forEach(print);
      return;
    case 'list-queued':
      queuedLines((await call('GET', 'queued_images')).queued_images).forEach(print);
      return;
    case 'queue-image':
      await call('PUT', `queued_images/${image}`);
      print(`Queued image ${options.imageId} for caching`);
      return;
    case 'delete-cached-image':
      await call('DELETE', `cached_images/${image}`);
      print(`Deleted cached image ${options.imageId}`);
      return;
    case 'delete-all-cached-images':
      print(`Deleted ${(await call('DELETE', 'cached_images')).num_deleted} cached images`);
      return;
    case 'delete-queued-image':
      await call('DELETE', `queued_images/${image}`);
      print(`Deleted queued image ${options.imageId}`);
      return;
    case 'delete-all-queued-images':
      print(`Deleted ${(await call('DELETE', 'queued_images')).num_deleted} queued images`);
  }
}

/** Undefined for an api without authentication. */
async function tokenOf({ login }: CacheManageOptions): Promise<string | undefined> {
  const { authUrl, username, password, project } = login;
  if (login.token !== undefined || authUrl === undefined) return login.token;
  if (username === undefined || password === undefined || project === undefined) {
    throw new Error('--os-auth-url needs --os-username, --os-password and --os-project-name');
  }
  const session = new KeystoneSession({
    authUrl,
    credentials: {
      by: 'password',
      user: { name: username, domain: { name: login.userDomain } },
      password,
      scope: { project: { name: project, domain: { name: login.projectDomain } } },
    },
    userAgent: `glance-cache-manage/${RELEASE}`,
  });
  try {
    return (await session.access()).token;
  } finally {
    session.close();
  }
}

function cachedLines(images: readonly CachedImage[]): string[] {
  if (images.length === 0) return ['No cached images.'];
  const rows = images.map((image) => [
    image.image_id,
    image.last_accessed === 0 ? 'N/A' : timeOf(image.last_accessed),
    timeOf(image.last_modified),
    String(image.size).padStart(14),
    String(image.hits).padStart(10),
  ]);
  return table(
    ['ID', 'Last Accessed (UTC)', 'Last Modified (UTC)', 'Size'.padStart(14), 'Hits'.padStart(10)],
    rows,
    `Found ${images.length} cached images...`,
  );
}

function queuedLines(ids: readonly string[]): string[] {
  if (ids.length === 0) return ['No queued images.'];
  return table(
    ['ID'],
    ids.map((id) => [id]),
    `Found ${ids.length} queued images...`,
  );
}

function table(heading: readonly string[], rows: readonly string[][], title: string): string[] {
  const widths = heading.map((text, column) =>
    Math.max(text.length, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  const line = (cells: readonly string[]): string =>
    cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' ');
  return [title, line(heading), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)];
}

function timeOf(epochSeconds: number): string {
  return new Date(epochSeconds * 1000).toISOString().slice(0, 19);
}
