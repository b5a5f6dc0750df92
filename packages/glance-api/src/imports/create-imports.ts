import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { IMPORT_METHODS } from '@glance/common';
import { createWebReader, type StoreOptions } from '@glance/stores';
import type { ApiConfig } from '../config';
import type { FormatRules } from '../formats/format-inspection';
import { sharedOptions, storeSettings } from '../store-config/store-settings';
import { ImageImporter, type ImporterOptions } from './image-importer';
import { ImportFilter } from './import-filter';
import { IMPORT_PLUGINS } from './import-options';
import { MetadataInjection } from './metadata-injection';
import { DataPreparation } from './preparation/data-preparation';
import { CONVERSION_FORMATS, type ConversionFormat } from './preparation/disk-conversion';
import { LimitedRunner } from './preparation/limited-child';
import { WorkArea } from './preparation/work-area';
import { RemoteImages } from './remote-images';
import { StagingArea } from './staging-area';

/** What imports are made of, as far as the API meets it. */
export interface ImportParts {
  /** Those that are enabled, in the order of the configuration. */
  methods: readonly string[];
  staging: StagingArea;
  workArea: WorkArea;
  /** Where exports go; undefined where there are none. */
  exports: StagingArea | undefined;
  importer: ImageImporter;
  filter: ImportFilter;
  injection: MetadataInjection;
  remotes: RemoteImages;
}

type Environment = Omit<
  ImporterOptions,
  | 'staging'
  | 'preparation'
  | 'remotes'
  | 'exports'
  | 'web'
  | 'concurrency'
  | 'maxAttempts'
  | 'timeoutMs'
> & {
  formatRules: Omit<FormatRules, 'warn'>;
  imageSizeCapBytes: number;
};

/** @throws Error that names the option at fault. */
export function createImports(config: ApiConfig, environment: Environment): ImportParts {
  const { logger, stores } = environment;
  const warn = (message: string): void => logger.warn(message);
  const { image_import_plugins: plugins } = config.image_import_opts;
  requireKnownPlugins(plugins);
  const filter = new ImportFilter(config.import_filtering_opts);
  const { inject, ignore_user_roles: ignoredRoles } = config.inject_metadata_properties;
  const staging = createStagingArea(config, stores.areNamed, warn);
  const { export_dir: exportDirectory } = config.task;
  const exports =
    exportDirectory === undefined
      ? undefined
      : new StagingArea(exportDirectory, '[task] export_dir', warn, 'exports');
  const workArea = createWorkArea(config, stores.areNamed, warn);
  const remotes = new RemoteImages({
    web: webOptions(config),
    filter,
    propertyPrefixes: config.glance_download_properties.extra_properties,
    diskFormats: config.image_format.disk_formats,
    containerFormats: config.image_format.container_formats,
    holdMs: config.import.timeout * 1000,
    warn,
  });
  const web = createWebReader(webOptions(config), {
    ports: filter.ports,
    permits: (url) => filter.permits(url),
    warn,
  });
  return {
    methods: enabledMethods(config.DEFAULT.enabled_import_methods, warn),
    staging,
    workArea,
    exports,
    filter,
    remotes,
    injection: new MetadataInjection({
      isEnabled: plugins.includes('inject_image_metadata'),
      properties: inject,
      ignoredRoles,
    }),
    importer: new ImageImporter({
      ...environment,
      staging,
      remotes,
      exports,
      preparation: new DataPreparation({
        unpacks: plugins.includes('image_decompression'),
        convertsTo: plugins.includes('image_conversion') ? outputFormat(config) : undefined,
        workArea,
        runner: new LimitedRunner(warn),
        vmdkTypes: config.image_format.vmdk_allowed_types,
        formatRules: { ...environment.formatRules, warn },
        imageSizeCapBytes: environment.imageSizeCapBytes,
        cpuSeconds: config.import.timeout,
      }),
      web,
      concurrency: config.import.concurrency,
      maxAttempts: config.import.attempts,
      timeoutMs: config.import.timeout * 1000,
    }),
  };
}

function createWorkArea(
  config: ApiConfig,
  storesAreNamed: boolean,
  warn: (message: string) => void,
): WorkArea {
  const { directory, option } = workPlace(config, storesAreNamed);
  return new WorkArea(directory, option, warn);
}

/** A directory of this node, and the option that names it. */
export interface ConfiguredPlace {
  directory: string;
  option: string;
}

/** Where plugins of imports keep their files. */
export function workPlace(config: ApiConfig, storesAreNamed: boolean): ConfiguredPlace {
  const [configured, option] = storesAreNamed
    ? [
        config.os_glance_tasks_store.filesystem_store_datadir,
        '[os_glance_tasks_store] filesystem_store_datadir',
      ]
    : [config.task.work_dir, '[task] work_dir'];
  const staging = stagingPlace(config, storesAreNamed);
  return { directory: configured ?? path.join(staging.directory, '.work'), option };
}

/** That of this node: where it is depends on whether stores have names (stores sheet §2). */
export function createStagingArea(
  config: ApiConfig,
  storesAreNamed: boolean,
  warn: (message: string) => void,
): StagingArea {
  const { directory, option } = stagingPlace(config, storesAreNamed);
  return new StagingArea(directory, option, warn);
}

/** Where the staging area of this node is. */
export function stagingPlace(config: ApiConfig, storesAreNamed: boolean): ConfiguredPlace {
  return storesAreNamed
    ? {
        directory: config.os_glance_staging_store.filesystem_store_datadir,
        option: '[os_glance_staging_store] filesystem_store_datadir',
      }
    : {
        directory: fileURLToPath(config.DEFAULT.node_staging_uri),
        option: '[DEFAULT] node_staging_uri',
      };
}

/** Those of an http store, where there is one, else what such a store would have. */
function webOptions(config: ApiConfig): StoreOptions {
  const { stores } = storeSettings(config, () => undefined);
  const store = stores.find(({ type }) => type === 'http');
  return store?.options ?? { ...config.glance_store, ...sharedOptions(config) };
}

/** @throws Error for a plugin that there is not. */
export function requireKnownPlugins(plugins: readonly string[]): void {
  for (const plugin of plugins) {
    if (IMPORT_PLUGINS.some((known) => known === plugin)) continue;
    throw new Error(
      `[image_import_opts] image_import_plugins: this release has no ${plugin}; images would be imported without it. It has: ${IMPORT_PLUGINS.join(', ')}`,
    );
  }
}

/** The option lets nothing else in. */
function outputFormat(config: ApiConfig): ConversionFormat | undefined {
  const { output_format: wanted } = config.image_conversion;
  return CONVERSION_FORMATS.find((format) => format === wanted);
}

function enabledMethods(wanted: readonly string[], warn: (message: string) => void): string[] {
  const known = wanted.filter((name) => IMPORT_METHODS.some((method) => method === name));
  for (const name of wanted.filter((each) => !known.includes(each))) {
    warn(`[DEFAULT] enabled_import_methods: this release has no ${name}`);
  }
  return known;
}
