import { storeSettings } from '@glance/glance-api';
import { describeError } from '@glance/common';
import { StoreConfigurationError, StoreSet, type InstrumentedStore } from '@glance/stores';
import { change, note, ok, type Finding, type FindingPlace } from './finding';
import type { Subject } from './subject';

/** Below this share of free room uploads will soon fail. */
const LITTLE_ROOM = 0.05;

type StoreConfig = ReturnType<typeof storeSettings>['stores'][number];

/** Kinds of stores that are configured and that this service does not have. */
export function checkStoreKinds({ api }: Subject): Finding[] {
  const place = optionOfStores(api);
  const findings: Finding[] = [];
  try {
    storeSettings(api.config, (message) => {
      findings.push(change(`${message}: copy them into another store first`, place));
    });
  } catch (error) {
    findings.push(change(`${describeError(error)}: glance-api does not start with it`, place));
  }
  return findings;
}

/** Each store that is configured: whether it can be opened, and what room it has. */
export async function checkStores(subject: Subject): Promise<Finding[]> {
  const { stores, findings } = await openStores(subject);
  try {
    for (const { store, place } of stores) findings.push(...(await describeRoom(store, place)));
    return findings;
  } finally {
    await closeStores(stores);
  }
}

export interface OpenedStore {
  set: StoreSet;
  store: InstrumentedStore;
  place: FindingPlace;
}

/** Opens each store by itself, so that one that cannot be used keeps nobody from the others. */
export async function openStores(
  subject: Subject,
): Promise<{ stores: OpenedStore[]; findings: Finding[]; unopened: string[] }> {
  const { api } = subject;
  const stores: OpenedStore[] = [];
  const findings: Finding[] = [];
  const unopened: string[] = [];
  let settings: ReturnType<typeof storeSettings>;
  try {
    settings = storeSettings(api.config, () => undefined);
  } catch {
    // Told with the kinds of stores.
    return { stores, findings, unopened: ['any'] };
  }
  for (const config of settings.stores) {
    const place = placeOf(api, config, settings.named ?? true);
    const name = config.id === config.type ? config.id : `${config.id} (${config.type})`;
    const isDefault = config.id === settings.defaultStoreId ? ', the default' : '';
    try {
      const set = await StoreSet.create(
        { ...settings, stores: [config], defaultStoreId: config.id },
        { warn: (message) => findings.push(note(message, place)), readOnly: true },
      );
      stores.push({ set, store: set.defaultStore, place });
      await set.defaultStore.checkReadable();
      findings.push(ok(`store ${name}${isDefault}: can be opened`, place));
    } catch (error) {
      unopened.push(config.id);
      findings.push(
        ...problemsOf(error).map((text) =>
          change(text.startsWith('store ') ? text : `store ${name}: ${text}`, place),
        ),
      );
    }
  }
  return { stores, findings, unopened };
}

export async function closeStores(stores: readonly OpenedStore[]): Promise<void> {
  await Promise.allSettled(stores.map(({ set }) => set.close()));
}

function problemsOf(error: unknown): readonly string[] {
  return error instanceof StoreConfigurationError ? error.problems : [describeError(error)];
}

async function describeRoom(store: InstrumentedStore, place: FindingPlace): Promise<Finding[]> {
  try {
    return (await store.room()).flatMap(({ directory, sizeBytes, freeBytes }) =>
      freeBytes < sizeBytes * LITTLE_ROOM
        ? [
            note(
              `store ${store.id}: ${inGibibytes(freeBytes)} of ${inGibibytes(sizeBytes)} are free in ${directory}: make room before users upload`,
              place,
            ),
          ]
        : [],
    );
  } catch (error) {
    return [note(`store ${store.id}: its room is not known: ${describeError(error)}`, place)];
  }
}

export function inGibibytes(bytes: number): string {
  return `${(bytes / 1024 ** 3).toFixed(1)} GiB`;
}

function optionOfStores({ config, originOf }: Subject['api']): FindingPlace {
  const [section, name] =
    config.DEFAULT.enabled_backends.length > 0
      ? (['DEFAULT', 'enabled_backends'] as const)
      : (['glance_store', 'stores'] as const);
  return { where: originOf(section, name), option: `[${section}] ${name}` };
}

/** The first option of the store that is set; else the option that enables it. */
function placeOf(api: Subject['api'], { id, options }: StoreConfig, named: boolean): FindingPlace {
  const section = named ? id : 'glance_store';
  const prefix = id === 'file' ? 'filesystem_' : `${id}_`;
  const name = Object.keys(options).find(
    (each) => (named || each.startsWith(prefix)) && api.originOf(section, each) !== undefined,
  );
  if (name === undefined) return optionOfStores(api);
  return { where: api.originOf(section, name), option: `[${section}] ${name}` };
}
