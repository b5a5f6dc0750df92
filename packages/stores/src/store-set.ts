import { DomainError } from '@glance/common';
import type { DataPlace } from '@glance/common';
import { InstrumentedStore } from './instrumented-store';
import { StoreConfigurationError } from './store-configuration-error';
import type { StoreMetrics } from './store-metrics';
import type { StoreOptions } from './store-options';
import { STORE_TYPES } from './store-types';
import type { StoreTypes } from './store-types';

export interface StoreConfig {
  id: string;
  /** A key of the store types, such as `file`. */
  type: string;
  options: StoreOptions;
  description?: string | undefined;
  weight?: number | undefined;
}

export interface StoreSetConfig {
  stores: readonly StoreConfig[];
  defaultStoreId: string;
  /**
   * False in upstream's legacy mode of one store, where locations carry no store id
   * (stores sheet §1). True unless set.
   */
  named?: boolean | undefined;
  metadataTimeoutMs?: number | undefined;
}

export interface StoreSetEnvironment {
  /** For the operator's log. */
  warn: (message: string) => void;
  /** The kinds of stores to choose from; all there are unless set. */
  types?: StoreTypes;
  /** The stores are only looked at, see `StoreContext`. */
  readOnly?: boolean | undefined;
}

/** What the info calls tell of a store (stores sheet §2). */
export interface StoreInfo {
  id: string;
  type: string;
  description: string | undefined;
  weight: number;
  isDefault: boolean;
  readOnly: boolean;
  properties: Readonly<Record<string, unknown>>;
}

/** The configured stores. */
export class StoreSet {
  private constructor(
    private readonly stores: ReadonlyMap<string, InstrumentedStore>,
    readonly defaultStore: InstrumentedStore,
    /** Whether they have names of their own, which locations carry (stores sheet §1). */
    readonly areNamed: boolean,
  ) {}

  /** @throws StoreConfigurationError with the problems of all stores, none of them left open. */
  static async create(config: StoreSetConfig, environment: StoreSetEnvironment): Promise<StoreSet> {
    const types = environment.types ?? STORE_TYPES;
    const problems = findProblems(config, types);
    if (problems.length > 0) throw new StoreConfigurationError(problems);
    const outcomes = await Promise.allSettled(
      config.stores.map((store) => createStore(store, types, config, environment)),
    );
    const made = outcomes
      .filter((outcome) => outcome.status === 'fulfilled')
      .map(({ value }) => value);
    const failures = outcomes
      .filter((outcome) => outcome.status === 'rejected')
      .map(({ reason }): unknown => reason);
    const defaultStore = made.find(({ id }) => id === config.defaultStoreId);
    if (failures.length > 0 || defaultStore === undefined) {
      await Promise.allSettled(made.map((store) => store.close()));
      throw new StoreConfigurationError(failures.flatMap(problemsOf), { cause: failures[0] });
    }
    const byId = new Map(made.map((store) => [store.id, store]));
    return new StoreSet(byId, defaultStore, config.named ?? true);
  }

  /** In the order of the configuration. */
  list(): InstrumentedStore[] {
    return [...this.stores.values()];
  }

  /** @throws `store_unknown` */
  get(storeId: string): InstrumentedStore {
    const store = this.stores.get(storeId);
    if (store) return store;
    throw new DomainError('store_unknown', `No store named ${storeId} is configured`, {
      details: { store: storeId },
    });
  }

  /**
   * The store that serves a location: the one its metadata names, if that serves the scheme, else
   * the one whose area the location lies in.
   * @throws `store_unknown`
   */
  forLocation(location: DataPlace): InstrumentedStore {
    const store = this.find(location);
    if (store) return store;
    throw new DomainError('store_unknown', 'No configured store holds the image data', {
      details: { scheme: schemeOf(location) ?? null },
    });
  }

  /**
   * Places of an image's data as named stores have them (stores sheet §2): each with the id of its
   * store, also where none was recorded or that store is not there any more, and those of the
   * heaviest store first. Without names they stay as they are.
   */
  arrange<Place extends DataPlace>(places: readonly Place[]): Place[] {
    if (!this.areNamed) return [...places];
    return places
      .map((place) => ({ place, store: this.find(place) }))
      .sort((a, b) => (b.store?.weight ?? 0) - (a.store?.weight ?? 0))
      .map(({ place, store }) =>
        store === undefined || place.metadata['store'] === store.id
          ? place
          : { ...place, metadata: { ...place.metadata, store: store.id } },
      );
  }

  /** The same, where there may be none. */
  find(place: DataPlace): InstrumentedStore | undefined {
    const scheme = schemeOf(place);
    const candidates = this.list().filter(
      ({ schemes }) => scheme !== undefined && schemes.includes(scheme),
    );
    return (
      candidates.find(({ id }) => id === place.metadata['store']) ??
      candidates.find((candidate) => candidate.claims(place.url))
    );
  }

  describe(): StoreInfo[] {
    return this.list().map((store) => ({
      id: store.id,
      type: store.type,
      description: store.description,
      weight: store.weight,
      isDefault: store === this.defaultStore,
      readOnly: !store.capabilities.add,
      properties: store.properties,
    }));
  }

  metrics(): StoreMetrics[] {
    return this.list().map((store) => store.metrics());
  }

  /** Closes every store, also when one of them fails to; then throws that failure. */
  async close(): Promise<void> {
    const outcomes = await Promise.allSettled(this.list().map((store) => store.close()));
    const failures = outcomes
      .filter((outcome) => outcome.status === 'rejected')
      .map(({ reason }): unknown => reason);
    if (failures.length > 0) throw new AggregateError(failures, 'Stores failed to close');
  }
}

function schemeOf({ url }: DataPlace): string | undefined {
  return /^([a-z][a-z0-9+.-]*):/.exec(url)?.[1];
}

async function createStore(
  { id, type, options, description, weight }: StoreConfig,
  types: StoreTypes,
  config: StoreSetConfig,
  { warn, readOnly }: StoreSetEnvironment,
): Promise<InstrumentedStore> {
  const driver = await types[type]?.create(options, { storeId: id, warn, readOnly });
  if (!driver) throw new StoreConfigurationError([`store ${id}: type ${type} is unknown`]);
  return new InstrumentedStore(driver, {
    id,
    type,
    description,
    weight,
    recordId: config.named ?? true,
    metadataTimeoutMs: config.metadataTimeoutMs,
  });
}

function findProblems(config: StoreSetConfig, types: StoreTypes): string[] {
  const ids = config.stores.map(({ id }) => id);
  const repeated = new Set(ids.filter((id, index) => ids.indexOf(id) !== index));
  const known = Object.keys(types).join(', ');
  return [
    ...[...repeated].map((id) => `store ${id}: is configured twice: rename one of them`),
    ...config.stores
      .filter(({ type }) => !Object.hasOwn(types, type))
      .map(({ id, type }) => `store ${id}: type ${type} is unknown: use one of ${known}`),
    ...(ids.includes(config.defaultStoreId)
      ? []
      : [`default store ${config.defaultStoreId}: is not among the stores: ${ids.join(', ')}`]),
  ];
}

function problemsOf(failure: unknown): readonly string[] {
  return failure instanceof StoreConfigurationError ? failure.problems : [String(failure)];
}
