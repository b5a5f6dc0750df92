import { access, constants, stat, statfs } from 'node:fs/promises';
import path from 'node:path';
import {
  isCachingFlavor,
  requireKnownPlugins,
  stagingPlace,
  workPlace,
  type ConfiguredPlace,
} from '@glance/glance-api';
import { describeError } from '@glance/common';
import { logFile } from '@glance/service-kit';
import { change, note, ok, type Finding } from './finding';
import { inGibibytes } from './stores';
import type { Subject } from './subject';

const READABLE_BY_OTHERS = 0o004;
const WRITABLE_BY_OTHERS = 0o002;
const WRITABLE = constants.R_OK | constants.W_OK | constants.X_OK;

/** Programs that plugins of imports run, and the packages they come in. */
const PROGRAMS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  image_conversion: { 'qemu-img': 'qemu-utils' },
  image_decompression: { xz: 'xz-utils', zstd: 'zstd', bzip2: 'bzip2' },
};

/** Directories and files of this node, their permissions and room, and the programs it needs. */
export async function checkHost(subject: Subject): Promise<Finding[]> {
  const { config } = subject.api;
  const named = config.DEFAULT.enabled_backends.length > 0;
  return [
    ...(await checkSecretFiles(subject)),
    ...(await checkMadeWhenNeeded(subject, 'The staging area', stagingPlace(config, named))),
    ...(await checkMadeWhenNeeded(subject, 'The work area', workPlace(config, named))),
    ...(await checkCache(subject)),
    ...(await checkLog(subject)),
    ...(await checkPlugins(subject)),
  ];
}

async function checkSecretFiles({ api, registry }: Subject): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const read of [api, registry]) {
    if (read === undefined || read.secrets.length === 0) continue;
    for (const where of read.files) {
      const found = await stat(where).catch(() => undefined);
      if (found === undefined || (found.mode & READABLE_BY_OTHERS) === 0) continue;
      findings.push(
        note('has passwords or keys, and everybody on this host may read it: chmod o-r', { where }),
      );
    }
  }
  return findings;
}

/** A directory that the service makes itself when it is needed, below one that is there. */
async function checkMadeWhenNeeded(
  { api }: Pick<Subject, 'api'>,
  what: string,
  { directory, option }: ConfiguredPlace,
): Promise<Finding[]> {
  const [, section = '', name = ''] = /^\[(.+)\] (.+)$/.exec(option) ?? [];
  const place = { where: api.originOf(section, name), option };
  const existing = await nearestDirectory(directory);
  try {
    await access(existing, WRITABLE);
  } catch (error) {
    return [
      change(
        `${what} ${directory} cannot be used: ${describeError(error)}: give the user of glance-api the right to write to ${existing}`,
        place,
      ),
    ];
  }
  if (existing !== directory) {
    return [ok(`${what} ${directory} is made when it is needed`, place)];
  }
  if (((await stat(directory)).mode & WRITABLE_BY_OTHERS) !== 0) {
    return [change(`everybody may write to ${directory}: run chmod o-w on it`, place)];
  }
  return [ok(`${what} ${directory} can be written; ${await room(directory)}`, place)];
}

async function checkCache({ api }: Subject): Promise<Finding[]> {
  const { image_cache_dir: directory, image_cache_max_size: maxBytes } = api.config.DEFAULT;
  const { flavor } = api.config.paste_deploy;
  const place = {
    where: api.originOf('DEFAULT', 'image_cache_dir'),
    option: '[DEFAULT] image_cache_dir',
  };
  if (directory === undefined) {
    if (!isCachingFlavor(flavor)) return [];
    return [note(`nothing is cached without it, although flavor = ${flavor ?? ''}`, place)];
  }
  const findings = await checkMadeWhenNeeded({ api }, 'The image cache', {
    directory,
    option: place.option,
  });
  const { bavail, bsize, blocks } = await statfs(await nearestDirectory(directory));
  if (blocks * bsize < maxBytes) {
    findings.push(
      note(
        `image_cache_max_size is ${inGibibytes(maxBytes)}, and the file system has ${inGibibytes(blocks * bsize)}, of which ${inGibibytes(bavail * bsize)} are free: say less`,
        place,
      ),
    );
  }
  return findings;
}

async function checkLog({ api }: Subject): Promise<Finding[]> {
  const file = logFile('glance-api', api.config.DEFAULT);
  if (file === undefined) return [];
  const option = api.config.DEFAULT.log_dir === undefined ? 'log_file' : 'log_dir';
  const place = { where: api.originOf('DEFAULT', option), option: `[DEFAULT] ${option}` };
  const target = (await stat(file).catch(() => undefined)) ? file : path.dirname(file);
  try {
    await access(target, constants.W_OK);
    return [ok(`${file} can be written`, place)];
  } catch (error) {
    return [change(`the log ${file} cannot be written: ${describeError(error)}`, place)];
  }
}

async function checkPlugins({ api }: Subject): Promise<Finding[]> {
  const option = '[image_import_opts] image_import_plugins';
  const place = { where: api.originOf('image_import_opts', 'image_import_plugins'), option };
  const { image_import_plugins: plugins } = api.config.image_import_opts;
  try {
    requireKnownPlugins(plugins);
  } catch (error) {
    return [change(`${describeError(error)}: glance-api does not start with it`, place)];
  }
  const findings: Finding[] = [];
  for (const plugin of plugins) {
    for (const [program, debianPackage] of Object.entries(PROGRAMS[plugin] ?? {})) {
      if (await isInstalled(program)) continue;
      findings.push(
        change(`${plugin} needs the program ${program}: install ${debianPackage}`, place),
      );
    }
  }
  return findings;
}

/** In the directories where a service without a login shell finds programs. */
async function isInstalled(program: string): Promise<boolean> {
  for (const directory of ['/usr/local/bin', '/usr/bin', '/bin', '/usr/local/sbin', '/usr/sbin']) {
    const found = await access(path.join(directory, program), constants.X_OK).then(
      () => true,
      () => false,
    );
    if (found) return true;
  }
  return false;
}

async function nearestDirectory(directory: string): Promise<string> {
  for (let each = path.resolve(directory); ; each = path.dirname(each)) {
    const found = await stat(each).catch(() => undefined);
    if (found !== undefined || each === path.dirname(each)) return each;
  }
}

async function room(directory: string): Promise<string> {
  const { bavail, bsize } = await statfs(directory);
  return `${inGibibytes(bavail * bsize)} are free`;
}
