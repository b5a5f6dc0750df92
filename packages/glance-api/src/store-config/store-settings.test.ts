import { loadConfig } from '@glance/service-kit';
import { API_OPTIONS } from '../config';
import { storeSections } from './store-options';
import { storeSettings } from './store-settings';

describe('[glance_store]', () => {
  const warnings: string[] = [];

  function settings(...flags: string[]) {
    const { config } = loadConfig(API_OPTIONS, {
      program: 'glance-api',
      argv: flags,
      env: {},
      moreSections: storeSections,
    });
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
    const { stores } = settings('--glance-store-stores=file,cinder,vmware');
    expect(stores.map(({ id }) => id)).toEqual(['file']);
    expect(warnings).toEqual([
      '[glance_store] stores: this release has no cinder store; images in it are not served',
      '[glance_store] stores: this release has no vmware store; images in it are not served',
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

describe('[DEFAULT] enabled_backends', () => {
  const warnings: string[] = [];

  function settings(...flags: string[]) {
    const { config } = loadConfig(API_OPTIONS, {
      program: 'glance-api',
      argv: flags,
      env: { GLANCE_API__S3_COLD__S3_STORE_BUCKET: 'cold' },
      moreSections: storeSections,
    });
    warnings.length = 0;
    return storeSettings(config, (message) => warnings.push(message));
  }

  it('are stores with sections of their own, over what is the same for all', () => {
    const { stores, defaultStoreId, named } = settings(
      '--enabled-backends=ssd:file, s3-cold:s3, hdd:filesystem',
      '--glance-store-default-backend=hdd',
      '--glance-store-filesystem-store-datadir=/not/of/these',
      '--ssd-filesystem-store-datadir=/ssd',
      '--ssd-weight=7',
      '--ssd-store-description=Fast ones',
      '--hdd-filesystem-thin-provisioning=false',
      '--backend-defaults-filesystem-store-datadir=/images',
      '--backend-defaults-filesystem-thin-provisioning=true',
    );
    expect({ defaultStoreId, named }).toEqual({ defaultStoreId: 'hdd', named: true });
    const common = { filesystem_thin_provisioning: true, filesystem_store_datadir: '/images' };
    expect(stores).toEqual([
      {
        id: 'ssd',
        type: 'file',
        description: 'Fast ones',
        weight: 7,
        options: { ...common, filesystem_store_datadir: '/ssd' },
      },
      {
        id: 's3-cold',
        type: 's3',
        description: undefined,
        weight: 0,
        options: { ...common, s3_store_bucket: 'cold' },
      },
      {
        id: 'hdd',
        type: 'file',
        description: undefined,
        weight: 0,
        options: { ...common, filesystem_thin_provisioning: false },
      },
    ]);
  });

  it('leave out kinds that this release does not have, and say so', () => {
    const { stores } = settings(
      '--enabled-backends=a:file,b:cinder',
      '--glance-store-default-backend=a',
    );
    expect(stores.map(({ id }) => id)).toEqual(['a']);
    expect(warnings).toEqual([
      '[DEFAULT] enabled_backends = a:file, b:cinder: this release has no cinder store; images in b are not served',
    ]);
  });

  it.each([
    ['a:file', [], 'default_backend =  must be one of the stores of enabled_backends: a'],
    ['a:file,b:cinder', ['--glance-store-default-backend=b'], 'default_backend = b must be one of'],
    ['a', [], 'must be a list of NAME:TYPE'],
    [':file', [], 'must be a list of NAME:TYPE'],
    ['os_glance_x:file', [], "are the service's own"],
    ['cors:file', [], '[cors] is a section of the service'],
    ['backend_defaults:file', [], '[backend_defaults] is a section of the service'],
  ])('cannot be %s %j', (backends, flags, text) => {
    expect(() => settings(`--enabled-backends=${backends}`, ...flags)).toThrow(text);
  });

  it('name the bad values of a section', () => {
    const bad = ['--enabled-backends=a:file', '--a-filesystem-store-chunk-size=0'];
    expect(() => settings(...bad)).toThrow('[a] filesystem_store_chunk_size = 0: must be');
    expect(() => settings('--enabled-backends=a:file', '--a-s3-store-host=x')).toThrow(
      '--a-s3-store-host: no such option',
    );
  });
});
