import { randomUUID } from 'node:crypto';
import { SERVICE_IDENTITY } from '@glance/common';
import { createTextCipher, sealedLengths } from '../db/text-cipher';
import { ADMIN, RegistryWorld, aCommit, aQuery } from '../testing/registry-world';
import { describeEachDatabase } from '../testing/test-databases';
import { encryptLocations } from './encrypt-locations';

const KEY = 'k'.repeat(32);
const LOCATION = 's3://host/images/ünïcode';

describe('a sealed text', () => {
  it.each([16, 24, 32])('comes back, with a key of %i bytes', (length) => {
    const cipher = createTextCipher('k'.repeat(length));
    for (const text of ['', 'a', 'x'.repeat(15), 'x'.repeat(16), 'x'.repeat(17), 'ü✓'.repeat(40)]) {
      const sealed = cipher.seal(text);
      expect(cipher.open(sealed)).toBe(text);
      expect(sealed).toMatch(/^[A-Za-z0-9_-]+={0,2}$/);
      expect(sealedLengths(text)).toContain(sealed.length);
    }
  });

  it('is another each time', () => {
    const cipher = createTextCipher(KEY);
    expect(cipher.seal(LOCATION)).not.toBe(cipher.seal(LOCATION));
  });

  // Made by upstream's crypt.py: the first filled up to 16 bytes, the second to 64.
  it.each([
    'GETaeaKecZyIixrWKAiGYsFb3cmluF20mLDo77HEIfhDUTmnwlws19bp8qJ2iE5i',
    'UHjfrRYOC3crZg3i_rZ-_sO9kCmZ4yxg5D6gGI-iuJCYMn2NLx-Dt1sTWNGqc-i30i3rHrck15Mg8pRuaEFFb6Kh30LrifEAdDLjFUlg6_U=',
  ])('of upstream is understood: %s', (sealed) => {
    expect(createTextCipher(KEY).open(sealed)).toBe(LOCATION);
  });

  it.each(['', 'file:///x', 'AAAA', '*'.repeat(44), 'A'.repeat(45), 'A'.repeat(22)])(
    'is not %j',
    (text) => {
      expect(createTextCipher(KEY).open(text)).toBeUndefined();
    },
  );
});

describeEachDatabase('encrypted locations', (current) => {
  let world: RegistryWorld;
  /** With another key, and with none. */
  let strangers: RegistryWorld[];

  beforeEach(async () => {
    const { database } = current();
    world = new RegistryWorld(database, createTextCipher(KEY));
    strangers = [
      new RegistryWorld(database, createTextCipher('other'.repeat(4).slice(4))),
      new RegistryWorld(database),
    ];
    await table().del();
  });

  const table = () => current().database.knex('image_locations');

  async function stored(url: string, in_ = world): Promise<string> {
    return (await in_.createActive({}, { location: { url, metadata: {} } })).id;
  }

  async function valueOf(imageId: string): Promise<string> {
    const row = (await table().where({ image_id: imageId }).first()) as { value: string };
    return row.value;
  }

  const changed = (id: string, seen: string[], wanted: string[]) =>
    world.images.update(
      id,
      {
        locations: {
          seen: seen.map((url) => ({ url, metadata: {} })),
          wanted: wanted.map((url) => ({ url, metadata: {} })),
          sizeBytes: 5,
          storageQuotaBytes: null,
        },
      },
      ADMIN,
      {},
    );

  it('are shown, listed and given up as they are, and stand in the database as others', async () => {
    const id = await stored(LOCATION);
    const value = await valueOf(id);
    expect(createTextCipher(KEY).open(value)).toBe(LOCATION);
    expect((await world.images.get(id, ADMIN, {})).locations).toMatchObject([{ url: LOCATION }]);
    const listed = await world.images.list(aQuery(), ADMIN, {});
    expect(listed.find((image) => image.id === id)?.locations).toMatchObject([{ url: LOCATION }]);
    const plan = await world.deletions.begin(id, { delayed: false }, ADMIN, {});
    expect(plan.locations).toMatchObject([{ url: LOCATION }]);
  });

  it('are encrypted in answers that are kept for repeated calls', async () => {
    const { id } = await world.create();
    const uploadId = await world.begin(id);
    const commit = aCommit({ location: { url: LOCATION, metadata: {} } });
    const scope = { requestKey: { key: randomUUID(), operation: 'commit' } };
    const first = await world.uploads.commit(id, uploadId, commit, ADMIN, scope);
    expect(await world.uploads.commit(id, uploadId, commit, ADMIN, scope)).toEqual(first);
    const rows = await current().database.knex<{ answer: string }>('registry_request_keys');
    expect(rows.filter(({ answer }) => /s3:|host/.test(answer))).toEqual([]);
    for (const stranger of strangers) {
      const repeated = stranger.uploads.commit(id, uploadId, commit, ADMIN, scope);
      await expect(repeated).rejects.toThrow('metadata_encryption_key');
    }
  });

  it('are changed in what the caller saw', async () => {
    const other = `${LOCATION}/other`;
    const id = await stored(LOCATION);
    await changed(id, [LOCATION], [LOCATION, other]);
    await changed(id, [LOCATION, other], [other]);
    expect((await world.images.get(id, ADMIN, {})).locations).toMatchObject([{ url: other }]);
    const removals = await world.transactions.read({}, (of) =>
      of.removals.list({ imageId: id, limit: 9 }),
    );
    expect(removals).toMatchObject([{ location: { url: LOCATION } }]);
    await expect(changed(id, [LOCATION], [])).rejects.toMatchObject({ code: 'conflict' });
  });

  it('keep data that another location counts on', async () => {
    const [first, second] = [await stored(LOCATION), await stored(LOCATION)];
    await changed(first, [LOCATION], []);
    expect(await table().where({ image_id: first })).toMatchObject([{ status: 'deleted' }]);
    await changed(second, [LOCATION], []);
    expect(await table().where({ image_id: second })).toMatchObject([{ status: 'pending_delete' }]);
  });

  it('keep the data of an upload whose commit was not heard of', async () => {
    const { id } = await world.create();
    const uploadId = await world.begin(id);
    await stored(LOCATION);
    const abandon = (locationUrl: string) =>
      world.uploads.abandon(id, uploadId, { reason: 'test', locationUrl }, SERVICE_IDENTITY, {});
    expect(await abandon(LOCATION)).toMatchObject({ blobRemovable: false });
    expect(await abandon(`${LOCATION}/longer than that`)).toMatchObject({ blobRemovable: true });
  });

  it.each(['plain', 'sealed'])('tell which blobs have an owner, when they are %s', async (form) => {
    const id = await stored('s3://host/images/own', form === 'plain' ? strangers[1] : world);
    const own = `s3://host/images/${id}`;
    await table()
      .where({ image_id: id })
      .update({ value: form === 'plain' ? own : createTextCipher(KEY).seal(own) });
    const [ofOther, ofNobody] = [randomUUID(), randomUUID()];
    await stored(`s3://host/images/${ofOther}`);
    const judged = await world.blobs.judge(
      {
        storeId: 's3',
        confirmAfterSeconds: 0,
        blobs: [id, ofOther, ofNobody].map((name) => ({
          name,
          locationUrl: `s3://host/images/${name}`,
        })),
      },
      SERVICE_IDENTITY,
      {},
    );
    expect(judged.map(({ name }) => name)).toEqual([ofNobody]);
  });

  it('are read as they are from before there was a key, until they are encrypted', async () => {
    const id = await stored(LOCATION, strangers[1]);
    expect(await valueOf(id)).toBe(LOCATION);
    expect((await world.images.get(id, ADMIN, {})).locations).toMatchObject([{ url: LOCATION }]);
    const cipher = createTextCipher(KEY);
    expect(await encryptLocations(current().database.knex, cipher, () => undefined)).toBe(1);
    expect(await encryptLocations(current().database.knex, cipher, () => undefined)).toBe(0);
    expect(cipher.open(await valueOf(id))).toBe(LOCATION);
    expect((await world.images.get(id, ADMIN, {})).locations).toMatchObject([{ url: LOCATION }]);
  });

  describe.each([
    ['with another key', 0, /is not the key that it was encrypted with/],
    ['without a key', 1, /metadata_encryption_key of glance-registry is not set/],
  ])('%s', (_, index, message) => {
    it('are neither shown nor deleted, and the error names the option', async () => {
      const id = await stored(LOCATION);
      const stranger = strangers[index]!;
      for (const attempt of [
        () => stranger.images.get(id, ADMIN, {}),
        () => stranger.images.list(aQuery(), ADMIN, {}),
        () => stranger.deletions.begin(id, { delayed: false }, ADMIN, {}),
      ]) {
        await expect(attempt()).rejects.toThrow(message);
        await expect(attempt()).rejects.toThrow(/metadata_encryption_key/);
      }
      expect((await world.images.get(id, ADMIN, {})).status).toBe('active');
      expect(await table().where({ image_id: id })).toMatchObject([{ status: 'active' }]);
    });

    it('make nobody’s blob an orphan, and no blob removable', async () => {
      const stranger = strangers[index]!;
      const id = await stored(LOCATION);
      const other = randomUUID();
      // As long as the one above: it may be it.
      const locationUrl = `s3://${other}`.slice(0, 26).padEnd(26, 'x');
      expect(Buffer.byteLength(locationUrl)).toBe(Buffer.byteLength(LOCATION));
      const judged = await stranger.blobs.judge(
        {
          storeId: 's3',
          confirmAfterSeconds: 0,
          blobs: [
            { name: id, locationUrl },
            { name: other, locationUrl },
          ],
        },
        SERVICE_IDENTITY,
        {},
      );
      expect(judged).toEqual([]);
      const { id: queued } = await stranger.create();
      const uploadId = await stranger.begin(queued);
      const abandon = { reason: 'test', locationUrl };
      expect(
        await stranger.uploads.abandon(queued, uploadId, abandon, SERVICE_IDENTITY, {}),
      ).toMatchObject({ blobRemovable: false });
    });
  });
});
