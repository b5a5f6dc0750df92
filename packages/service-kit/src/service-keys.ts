import { listOption, textOption } from './config/options';
import { readOptionFile } from './read-option-file';

/** [service_auth]: the secret the api shows to the registry. */
export const serviceAuthOptions = {
  key: listOption({
    help: 'Secret shared by glance-api and glance-registry, at least 32 characters without commas. While it is replaced there may be two: glance-api shows the first, glance-registry accepts both. Read again on SIGHUP.',
    default: [],
    secret: true,
  }),
  key_file: textOption({
    help: 'File that holds the key, instead of the key itself; two keys stand on two lines. Read again on SIGHUP.',
  }),
};

const MINIMUM_LENGTH = 32;
/** The one in use and the one that takes its place. */
const MAXIMUM_COUNT = 2;

/**
 * The keys of `[service_auth]`, none when it is not set.
 * @throws Error when one is too short to be one, both options are set, or there are too many.
 */
export function readServiceKeys(options: {
  readonly key: readonly string[];
  readonly key_file: string | undefined;
}): readonly string[] {
  const { key, key_file: file } = options;
  if (key.length > 0 && file !== undefined) {
    throw new Error('[service_auth] key and key_file exclude each other');
  }
  const keys = file === undefined ? key : linesOf(file);
  if (file !== undefined && keys.length === 0) {
    throw new Error(`[service_auth] key_file = ${file}: holds no key`);
  }
  const where = `[service_auth] ${file === undefined ? 'key' : `key_file = ${file}:`}`;
  if (keys.some((each) => each.length < MINIMUM_LENGTH)) {
    throw new Error(`${where} must have at least ${MINIMUM_LENGTH} characters in each key`);
  }
  if (keys.length > MAXIMUM_COUNT) {
    throw new Error(`${where} must have at most ${MAXIMUM_COUNT} keys, not ${keys.length}`);
  }
  if (new Set(keys).size < keys.length) {
    throw new Error(`${where} must not have the same key twice`);
  }
  return keys;
}

function linesOf(file: string): string[] {
  return readOptionFile('[service_auth] key_file', file)
    .toString('utf8')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
}

/** The service keys in use, which may change while the service runs. */
export class ServiceKeys {
  private keys: readonly string[];

  /** @param read throws when there are no usable keys. */
  constructor(private readonly read: () => readonly string[]) {
    this.keys = read();
  }

  /** Whoever shows one of them is believed; none: nobody is asked for one. */
  get accepted(): readonly string[] {
    return this.keys;
  }

  /** The one to show to others. */
  get shown(): string | undefined {
    return this.keys[0];
  }

  /** @throws Error when there are no usable keys any more: then those in use stay. */
  reload(): void {
    const keys = this.read();
    if (keys.length === 0 && this.keys.length > 0) {
      throw new Error('[service_auth] names no key any more');
    }
    if (keys.length > 0 && this.keys.length === 0) {
      throw new Error('[service_auth] named no key when the service started: start it again');
    }
    this.keys = keys;
  }
}
