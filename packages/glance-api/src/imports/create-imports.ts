import { fileURLToPath } from 'node:url';
import { IMPORT_METHODS } from '@glance/common';
import { createWebReader, type StoreOptions } from '@glance/stores';
import type { ApiConfig } from '../config';
import { sharedOptions, storeSettings } from '../store-config/store-settings';
import { ImageImporter, type ImporterOptions } from './image-importer';
import { ImportFilter } from './import-filter';
import { bracketed } from './import-options';
import { MetadataInjection } from './metadata-injection';
import { StagingArea } from './staging-area';

/** What imports are made of, as far as the API meets it. */
export interface ImportParts {
  /** Those that are enabled, in the order of the configuration. */
  methods: readonly string[];
  staging: StagingArea;
  importer: ImageImporter;
  filter: ImportFilter;
  injection: MetadataInjection;
}

type Environment = Omit<
  ImporterOptions,
  'staging' | 'web' | 'concurrency' | 'maxAttempts' | 'timeoutMs'
>;

const PLUGINS = ['no_op', 'inject_image_metadata'];

/** @throws Error that names the option at fault. */
export function createImports(config: ApiConfig, environment: Environment): ImportParts {
  const { logger, stores } = environment;
  const warn = (message: string): void => logger.warn(message);
  const plugins = bracketed(config.image_import_opts.image_import_plugins);
  for (const plugin of plugins) {
    if (PLUGINS.includes(plugin)) continue;
    throw new Error(
      `[image_import_opts] image_import_plugins: this release has no ${plugin}; images would be imported without it. It has: ${PLUGINS.join(', ')}`,
    );
  }
  const filter = new ImportFilter(config.import_filtering_opts);
  const { inject, ignore_user_roles: ignoredRoles } = config.inject_metadata_properties;
  const staging = createStagingArea(config, stores.areNamed, warn);
  const web = createWebReader(webOptions(config), {
    ports: filter.ports,
    permits: (url) => filter.permits(url),
    warn,
  });
  return {
    methods: enabledMethods(config.DEFAULT.enabled_import_methods, warn),
    staging,
    filter,
    injection: new MetadataInjection({
      isEnabled: plugins.includes('inject_image_metadata'),
      properties: inject,
      ignoredRoles,
    }),
    importer: new ImageImporter({
      ...environment,
      staging,
      web,
      concurrency: config.import.concurrency,
      maxAttempts: config.import.attempts,
      timeoutMs: config.import.timeout * 1000,
    }),
  };
}

/** That of this node: where it is depends on whether stores have names (stores sheet §2). */
export function createStagingArea(
  config: ApiConfig,
  storesAreNamed: boolean,
  warn: (message: string) => void,
): StagingArea {
  if (storesAreNamed) {
    const { filesystem_store_datadir: directory } = config.os_glance_staging_store;
    return new StagingArea(directory, '[os_glance_staging_store] filesystem_store_datadir', warn);
  }
  const directory = fileURLToPath(config.DEFAULT.node_staging_uri);
  return new StagingArea(directory, '[DEFAULT] node_staging_uri', warn);
}

/** Those of an http store, where there is one, else what such a store would have. */
function webOptions(config: ApiConfig): StoreOptions {
  const { stores } = storeSettings(config, () => undefined);
  const store = stores.find(({ type }) => type === 'http');
  return store?.options ?? { ...config.glance_store, ...sharedOptions(config) };
}

function enabledMethods(items: readonly string[], warn: (message: string) => void): string[] {
  const wanted = bracketed(items);
  const known = wanted.filter((name) => IMPORT_METHODS.some((method) => method === name));
  for (const name of wanted.filter((each) => !known.includes(each))) {
    warn(`[DEFAULT] enabled_import_methods: this release has no ${name}`);
  }
  return known;
}
