import path from 'node:path';
import { API_DEFAULT_FILES, API_OPTIONS, storeSections } from '@glance/glance-api';
import {
  DatabaseInspection,
  REGISTRY_DEFAULT_FILES,
  REGISTRY_OPTIONS,
  passwordsIn,
} from '@glance/glance-registry';
import { inspectConfig, type InspectedConfig, type ManageInvocation } from '@glance/service-kit';

export type InspectedApi = InspectedConfig<typeof API_OPTIONS>;
export type InspectedRegistry = InspectedConfig<typeof REGISTRY_OPTIONS>;

/** A value with the place where it stands. */
export interface Placed {
  text: string;
  where: string;
}

/** What is looked at: the configuration of both services, and what can be reached by it. */
export interface Subject {
  api: InspectedApi;
  /** Undefined where there is no file of glance-registry yet. */
  registry: InspectedRegistry | undefined;
  /** Where glance-registry.conf is looked for when no name is given. */
  registryFile: string;
  /** `[database] connection`, of glance-registry.conf or else of upstream's glance-api.conf. */
  connection: Placed | undefined;
  encryptionKey: Placed | undefined;
  /** Locations whose data is looked for, at most. */
  sampleSize: number;
  /** Kept out of everything that is printed. */
  secrets: readonly string[];
  /** @throws Error for a connection or key that cannot be used; it shows neither. */
  openDatabase(connection: Placed): DatabaseInspection;
}

export interface SubjectSources extends Pick<ManageInvocation, 'argv' | 'env' | 'defaultFiles'> {
  /** Files of glance-registry; none: glance-registry.conf beside the first file of glance-api. */
  registryFiles: readonly string[];
  sampleSize: number;
}

/** Reads the configuration. A file that cannot be used is a finding, and no error here. */
export function readSubject(sources: SubjectSources): Subject {
  const { argv, env, registryFiles, sampleSize } = sources;
  const api = inspectConfig(API_OPTIONS, {
    program: 'glance-api',
    argv,
    env,
    moreSections: storeSections,
    defaultFiles: sources.defaultFiles ?? API_DEFAULT_FILES,
  });
  const [first] = api.files;
  const registryFile =
    first === undefined
      ? (REGISTRY_DEFAULT_FILES[0] ?? '')
      : path.join(path.dirname(first), 'glance-registry.conf');
  const read = inspectConfig(REGISTRY_OPTIONS, {
    program: 'glance-registry',
    argv: registryFiles.flatMap((file) => ['--config-file', file]),
    env,
    defaultFiles: sources.defaultFiles === undefined || first !== undefined ? [registryFile] : [],
  });
  const registry = read.files.length === 0 ? undefined : read;
  const placed = (section: 'database' | 'DEFAULT', name: string): Placed | undefined =>
    placedInRegistry(read, section, name) ?? placedInFiles(api, section, name);
  const connection = placed('database', 'connection');
  const encryptionKey = placed('DEFAULT', 'metadata_encryption_key');
  return {
    api,
    registry,
    registryFile,
    connection,
    encryptionKey,
    sampleSize,
    secrets: [
      ...api.secrets,
      ...read.secrets,
      ...(connection === undefined ? [] : [connection.text, ...passwordsIn(connection.text)]),
      ...(encryptionKey === undefined ? [] : [encryptionKey.text]),
    ],
    openDatabase: ({ text }) => DatabaseInspection.open(text, encryptionKey?.text),
  };
}

/** Whether a problem of the configuration is one of the command line, which names its flag first. */
export function isOfCommandLine(problem: string): boolean {
  return problem.startsWith('--');
}

function placedInRegistry(
  { config, originOf }: InspectedRegistry,
  section: 'database' | 'DEFAULT',
  name: string,
): Placed | undefined {
  const text = (config[section] as Readonly<Record<string, unknown>>)[name];
  if (typeof text !== 'string') return undefined;
  return { text, where: originOf(section, name) ?? '' };
}

/** The last that stands there, as configuration files count, whether or not the service has it. */
export function placedInFiles(
  { entries }: Pick<InspectedApi, 'entries'>,
  section: string,
  name: string,
): Placed | undefined {
  const entry = entries.findLast((each) => each.section === section && each.name === name);
  if (entry === undefined || entry.value === '') return undefined;
  return { text: entry.value, where: `${entry.file}:${entry.line}` };
}
