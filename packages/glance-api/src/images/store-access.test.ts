import { randomUUID } from 'node:crypto';
import { DomainError } from '@glance/common';
import type { Registry } from '@glance/registry-client';
import { FakeRegistry } from '@glance/registry-client/testing';
import { silentLogger, type Logger } from '@glance/service-kit';
import type { BlobAccess, MemoryDriver, StoreSet } from '@glance/stores';
import { memoryStores } from '../testing/memory-stores';
import { AccessSweeper } from './access-sweeper';
import { tellingStores } from './store-access';

const OWNER = { userId: 'u', projectId: 'p', roles: [], isAdmin: false, readOnly: false };
const CONTEXT = { identity: OWNER, requestId: 'req-test' };
const QUOTA = { memberQuota: null };

describe('stores that keep access lists', () => {
  let stores: StoreSet;
  let driver: MemoryDriver;
  let registry: Registry;
  let errors: string[];
  let warnings: { message: string; about: unknown }[];
  let sweeper: AccessSweeper;
  /** By location, as it was told last. */
  let told: Map<string, BlobAccess>;
  let onTell: (url: string) => Promise<void> | void;

  beforeEach(async () => {
    const made = await memoryStores();
    stores = made.stores;
    driver = made.drivers.get('memory')!;
    told = new Map();
    errors = [];
    warnings = [];
    onTell = () => undefined;
    Object.assign(driver, {
      setAccess: async (url: string, access: BlobAccess): Promise<void> => {
        await onTell(url);
        told.set(url, access);
      },
    });
    const logger: Logger = Object.assign(Object.create(silentLogger) as Logger, {
      error: (message: string) => void errors.push(message),
      warn: (message: string, about: unknown) => void warnings.push({ message, about }),
    });
    registry = tellingStores(new FakeRegistry(), { stores, logger });
    sweeper = new AccessSweeper({ registry, stores, logger });
  });
  afterEach(() => stores.close());

  /** An image that is shared, with data. */
  async function newImage(...members: string[]): Promise<{ id: string; url: string }> {
    const id = randomUUID();
    const uploadId = randomUUID();
    const upload = {
      ...{ uploadId, node: 'n', failureStatus: 'queued' as const },
      ...{ expectedSizeBytes: null, storageQuotaBytes: null },
    };
    await registry.createImage({ image: { id, visibility: 'shared' }, upload }, CONTEXT);
    for (const memberId of members) await registry.addMember(id, { memberId, ...QUOTA }, CONTEXT);
    const url = `memory://${id}`;
    const hashes = { checksum: 'c', hashAlgorithm: 'sha512', hashValue: 'h' };
    const sizes = { sizeBytes: 4, virtualSizeBytes: null };
    const commit = { location: { url, metadata: {} }, ...sizes, ...hashes };
    await registry.commitUpload(id, uploadId, commit, CONTEXT);
    return { id, url };
  }

  it('are told of those an image was shared with before it had data', async () => {
    const { url } = await newImage('red', 'blue');
    expect(told.get(url)).toEqual({ isPublic: false, readers: ['blue', 'red'] });
  });

  it.each<[string, (id: string) => Promise<unknown>, string[]]>([
    [
      'added',
      (id) => registry.addMember(id, { memberId: 'blue', ...QUOTA }, CONTEXT),
      ['blue', 'red'],
    ],
    ['put', (id) => registry.putMember(id, 'blue', QUOTA, CONTEXT), ['blue', 'red']],
    ['removed', (id) => registry.removeMember(id, 'red', CONTEXT), []],
    ['deleted', (id) => registry.deleteMember(id, 'red', CONTEXT), []],
    [
      'replaced',
      (id) => registry.replaceMembers(id, { members: [{ memberId: 'green' }], ...QUOTA }, CONTEXT),
      ['green'],
    ],
  ])('are told of a member who is %s', async (_change, change, readers) => {
    const { id, url } = await newImage('red');
    await change(id);
    expect(told.get(url)).toEqual({ isPublic: false, readers });
  });

  it('are told of an image that everybody reads, and of one that nobody else does any more', async () => {
    const { id, url } = await newImage('red');
    for (const [visibility, access] of [
      ['community', { isPublic: true, readers: [] }],
      ['private', { isPublic: false, readers: [] }],
      ['shared', { isPublic: false, readers: ['red'] }],
    ] as const) {
      await registry.updateImage(id, { fields: { visibility } }, CONTEXT);
      expect(told.get(url)).toEqual(access);
    }
  });

  it('hold the last of changes that meet each other', async () => {
    const { id, url } = await newImage();
    onTell = async () => {
      onTell = () => undefined;
      // A later change, whose own telling is over before the first one's arrives.
      await registry.addMember(id, { memberId: 'blue', ...QUOTA }, CONTEXT);
    };
    await registry.addMember(id, { memberId: 'red', ...QUOTA }, CONTEXT);
    expect(told.get(url)).toEqual({ isPublic: false, readers: ['blue', 'red'] });
  });

  it('that do not answer change nothing about the change, are in the log, and told at the next', async () => {
    const { id, url } = await newImage();
    onTell = () => {
      throw new DomainError('store_unavailable', 'gone');
    };
    await registry.addMember(id, { memberId: 'red', ...QUOTA }, CONTEXT);
    expect(await registry.listMembers(id, CONTEXT)).toMatchObject([{ memberId: 'red' }]);
    expect(errors).toEqual([expect.stringContaining('sets it again')]);
    expect(told.get(url)).toEqual({ isPublic: false, readers: [] });
    onTell = () => undefined;
    await registry.addMember(id, { memberId: 'blue', ...QUOTA }, CONTEXT);
    expect(told.get(url)).toEqual({ isPublic: false, readers: ['blue', 'red'] });
  });

  it('that did not answer are told by the next sweep, whatever others do', async () => {
    const images = [await newImage(), await newImage(), await newImage()];
    const [, broken] = images;
    onTell = () => {
      throw new DomainError('store_unavailable', 'gone');
    };
    for (const { id } of images)
      await registry.addMember(id, { memberId: 'red', ...QUOTA }, CONTEXT);
    onTell = (url) => {
      if (url === broken!.url) throw new DomainError('store_unavailable', 'still gone');
    };
    expect(await sweeper.sweep()).toBe(2);
    expect(images.map(({ url }) => told.get(url)?.readers)).toEqual([['red'], [], ['red']]);
    expect(warnings).toEqual([
      {
        message: expect.stringContaining('the next sweep tries again') as string,
        about: { images: 1, last: expect.stringMatching(`${broken!.id}.*still gone`) as string },
      },
    ]);
    onTell = () => undefined;
    expect(await sweeper.sweep()).toBe(3);
    expect(told.get(broken!.url)?.readers).toEqual(['red']);
  });

  it('are told of every image of many by a sweep, one in an interval', async () => {
    const urls: string[] = [];
    for (let count = 0; count < 101; count += 1) urls.push((await newImage('red')).url);
    await registry.createImage({ image: { name: 'without data' } }, CONTEXT);
    told.clear();
    const goesOn = (): boolean => false;
    await sweeper.sweepIfDue(3600, goesOn);
    expect([...told.keys()].sort()).toEqual(urls.sort());
    told.clear();
    await sweeper.sweepIfDue(3600, goesOn);
    expect(told.size).toBe(0);
  });

  it('cost nothing where there are none', async () => {
    const { stores: others } = await memoryStores();
    const plain = new FakeRegistry();
    expect(tellingStores(plain, { stores: others, logger: silentLogger })).toBe(plain);
    await others.close();
  });
});
