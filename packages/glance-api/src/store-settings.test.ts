import { loadConfig } from '@glance/service-kit';
import { API_OPTIONS } from './config';
import { storeSettings } from './store-settings';

describe('[glance_store]', () => {
  const warnings: string[] = [];

  function settings(...flags: string[]) {
    const { config } = loadConfig(API_OPTIONS, { program: 'glance-api', argv: flags, env: {} });
    warnings.length = 0;
    return storeSettings(config, (message) => warnings.push(message));
  }

  it('is one file store by default', () => {
    expect(settings()).toMatchObject({
      stores: [{ id: 'file', type: 'file' }],
      defaultStoreId: 'file',
    });
  });

  it("takes upstream's two names of the file store for one", () => {
    const { stores, defaultStoreId } = settings(
      '--glance-store-stores=file,filesystem',
      '--glance-store-default-store=filesystem',
    );
    expect(stores.map(({ id }) => id)).toEqual(['file']);
    expect(defaultStoreId).toBe('file');
  });

  it("starts with an operator's file that names stores this release does not have", () => {
    const { stores } = settings('--glance-store-stores=file,rbd,swift');
    expect(stores.map(({ id }) => id)).toEqual(['file']);
    expect(warnings).toEqual([
      '[glance_store] stores: this release has no rbd store; images in it are not served',
      '[glance_store] stores: this release has no swift store; images in it are not served',
    ]);
  });

  it('needs its default store', () => {
    expect(() => settings('--glance-store-default-store=memory')).toThrow(
      'default_store = memory is not among stores = file',
    );
  });

  it('hands the options of the drivers on', () => {
    const [store] = settings('--glance-store-filesystem-store-datadir=/images').stores;
    expect(store?.options).toMatchObject({ filesystem_store_datadir: '/images' });
  });
});
