import { CONTRACT_VERSION, INTERNAL_HEADERS, type Identity } from '@glance/common';
import { checkContract } from './check-contract';
import { HttpRegistry } from './http-registry';
import type { CallContext, Registry } from './registry';
import { anImage } from './testing/an-image';
import { json, ScriptedPeer, type Reply } from './testing/scripted-peer';

const IDENTITY: Identity = {
  userId: 'ü-ser',
  projectId: 'a-project',
  roles: ['member'],
  isAdmin: false,
  readOnly: false,
};
const context: CallContext = { identity: IDENTITY, requestId: 'req-1' };
const IMAGE = anImage();
const ID = IMAGE.id;
const UPLOAD_ID = '3f0c5bb6-6c1b-4f0e-9a5c-0d8a4b6c7d8e';
const LEASE = { uploadId: UPLOAD_ID, leaseSeconds: 90, heartbeatSeconds: 15 };
const BEGIN = {
  uploadId: UPLOAD_ID,
  node: 'host:1',
  failureStatus: 'killed',
  expectedSizeBytes: null,
  storageQuotaBytes: null,
} as const;
const CLAIM = {
  uploadId: UPLOAD_ID,
  node: 'host:1',
  storageQuotaBytes: null,
  maxAttempts: 5,
  retrySeconds: 30,
};
const CLAIMED = { image: IMAGE, lease: LEASE, storeId: 'file', attempt: 1 };
const MEMBER = {
  memberId: 'a/b',
  canShare: true,
  status: 'pending',
  createdAt: '2026-01-02T03:04:05',
  updatedAt: '2026-01-02T03:04:06',
};
const COMMIT = {
  location: { url: 'file:///images/1', metadata: {} },
  sizeBytes: 5,
  virtualSizeBytes: null,
  checksum: 'abc',
  hashAlgorithm: 'sha512',
  hashValue: 'def',
};
const QUERY = {
  scope: 'caller',
  memberStatus: 'all',
  deleted: false,
  name: ['a&b=c', 'naïve'],
  sort: [],
  limit: 5,
} as const;

describe('HttpRegistry', () => {
  let peer: ScriptedPeer;
  let registry: HttpRegistry;

  async function play(reply: Reply): Promise<void> {
    peer = await ScriptedPeer.start(reply);
    registry = new HttpRegistry({
      baseUrls: [`${peer.url}/`],
      serviceKey: 'a-service-key',
      release: '1.2.3',
    });
  }

  afterEach(async () => {
    registry.close();
    await peer.close();
  });

  interface Mapping {
    call: (registry: Registry) => Promise<unknown>;
    answer: unknown;
    result?: unknown;
    request: string;
    body?: unknown;
  }

  const reads: [string, Mapping][] = [
    [
      'contract',
      {
        call: (it) => it.contract(context),
        answer: { contract: { ...CONTRACT_VERSION }, release: '1' },
        request: 'GET /v1',
      },
    ],
    [
      'listImages',
      {
        call: (it) => it.listImages({ ...QUERY, name: [...QUERY.name], sort: [] }, context),
        answer: { images: [IMAGE] },
        result: [IMAGE],
        request: `GET /v1/images?query=${encodeURIComponent(JSON.stringify(QUERY))}`,
      },
    ],
    [
      'getImage',
      {
        call: (it) => it.getImage(ID, context),
        answer: { image: IMAGE },
        result: IMAGE,
        request: `GET /v1/images/${ID}`,
      },
    ],
    [
      'getUpload',
      {
        call: (it) => it.getUpload(ID, UPLOAD_ID, context),
        answer: { uploadId: UPLOAD_ID, imageId: ID, state: 'committed', image: IMAGE },
        request: `GET /v1/images/${ID}/uploads/${UPLOAD_ID}`,
      },
    ],
    [
      'getCopySource',
      {
        call: (it) => it.getCopySource(ID, UPLOAD_ID, context),
        answer: { sourceUrl: 'http://host.example/disk' },
        result: 'http://host.example/disk',
        request: `GET /v1/images/${ID}/uploads/${UPLOAD_ID}/copy-source`,
      },
    ],
    [
      'listMembers',
      {
        call: (it) => it.listMembers(ID, context),
        answer: { members: [MEMBER] },
        result: [MEMBER],
        request: `GET /v1/images/${ID}/members`,
      },
    ],
    [
      'getMember',
      {
        call: (it) => it.getMember(ID, 'a/b', context),
        answer: { member: MEMBER },
        result: MEMBER,
        request: `GET /v1/images/${ID}/members/a%2Fb`,
      },
    ],
    [
      'listSharedImages',
      {
        call: (it) => it.listSharedImages('a/b', context),
        answer: { sharedImages: [{ imageId: ID, canShare: true, status: 'pending' }] },
        result: [{ imageId: ID, canShare: true, status: 'pending' }],
        request: 'GET /v1/shared-images/a%2Fb',
      },
    ],
  ];

  const writes: [string, Mapping][] = [
    [
      'createImage',
      {
        call: (it) => it.createImage({ image: { name: 'x' } }, context),
        answer: { image: IMAGE, lease: null },
        request: 'POST /v1/images',
        body: { image: { name: 'x' } },
      },
    ],
    [
      'updateImage',
      {
        call: (it) => it.updateImage(ID, { tags: ['t'] }, context),
        answer: { image: IMAGE },
        result: IMAGE,
        request: `PATCH /v1/images/${ID}`,
        body: { tags: ['t'] },
      },
    ],
    [
      'beginUpload',
      {
        call: (it) => it.beginUpload(ID, BEGIN, context),
        answer: { image: IMAGE, lease: LEASE },
        request: `POST /v1/images/${ID}/uploads`,
        body: BEGIN,
      },
    ],
    [
      'heartbeat',
      {
        call: (it) => it.heartbeat(ID, UPLOAD_ID, { bytesReceived: 7 }, context),
        answer: LEASE,
        request: `PUT /v1/images/${ID}/uploads/${UPLOAD_ID}`,
        body: { bytesReceived: 7 },
      },
    ],
    [
      'commitUpload',
      {
        call: (it) => it.commitUpload(ID, UPLOAD_ID, COMMIT, context),
        answer: { image: IMAGE },
        result: IMAGE,
        request: `POST /v1/images/${ID}/uploads/${UPLOAD_ID}/commit`,
        body: COMMIT,
      },
    ],
    [
      'abandonUpload',
      {
        call: (it) =>
          it.abandonUpload(ID, UPLOAD_ID, { reason: 'gone', locationUrl: null }, context),
        answer: { state: 'abandoned', imageStatus: 'killed', blobRemovable: true },
        request: `POST /v1/images/${ID}/uploads/${UPLOAD_ID}/abandon`,
        body: { reason: 'gone', locationUrl: null },
      },
    ],
    [
      'claimCopy',
      {
        call: (it) => it.claimCopy(CLAIM, context),
        answer: { copy: CLAIMED },
        result: CLAIMED,
        request: 'POST /v1/copies/claim',
        body: CLAIM,
      },
    ],
    [
      'beginDeletion',
      {
        call: (it) => it.beginDeletion(ID, { delayed: false }, context),
        answer: { image: IMAGE, locations: IMAGE.locations },
        request: `POST /v1/images/${ID}/deletion`,
        body: { delayed: false },
      },
    ],
    [
      'finishDeletion',
      {
        call: (it) => it.finishDeletion(ID, context),
        answer: { image: IMAGE },
        result: IMAGE,
        request: `POST /v1/images/${ID}/deletion/finish`,
      },
    ],
    [
      'revertDeletion',
      {
        call: (it) => it.revertDeletion(ID, context),
        answer: { image: IMAGE },
        result: IMAGE,
        request: `POST /v1/images/${ID}/deletion/revert`,
      },
    ],
    [
      'claimDeletion',
      {
        call: (it) => it.claimDeletion({ graceSeconds: 1, scrubSeconds: 2 }, context),
        answer: { deletion: { image: IMAGE, locations: IMAGE.locations } },
        result: { image: IMAGE, locations: IMAGE.locations },
        request: 'POST /v1/deletions/claim',
        body: { graceSeconds: 1, scrubSeconds: 2 },
      },
    ],
    [
      'releaseDeletion',
      {
        call: (it) => it.releaseDeletion(ID, context),
        answer: { released: true },
        result: true,
        request: `POST /v1/images/${ID}/deletion/release`,
      },
    ],
    [
      'restoreImage',
      {
        call: (it) => it.restoreImage(ID, context),
        answer: { image: IMAGE },
        result: IMAGE,
        request: `POST /v1/images/${ID}/deletion/restore`,
      },
    ],
    [
      'replaceMembers',
      {
        call: (it) => it.replaceMembers(ID, { members: [], memberQuota: 1 }, context),
        answer: { members: [] },
        result: [],
        request: `PUT /v1/images/${ID}/members`,
        body: { members: [], memberQuota: 1 },
      },
    ],
    [
      'putMember',
      {
        call: (it) => it.putMember(ID, 'a/b', { canShare: true, memberQuota: null }, context),
        answer: { member: MEMBER },
        result: MEMBER,
        request: `PUT /v1/images/${ID}/members/a%2Fb`,
        body: { canShare: true, memberQuota: null },
      },
    ],
    [
      'deleteMember',
      {
        call: (it) => it.deleteMember(ID, 'a/b', context),
        answer: { member: MEMBER },
        result: MEMBER,
        request: `DELETE /v1/images/${ID}/members/a%2Fb`,
      },
    ],
    [
      'addMember',
      {
        call: (it) => it.addMember(ID, { memberId: 'a/b', memberQuota: 3 }, context),
        answer: { member: MEMBER },
        result: MEMBER,
        request: `POST /v1/images/${ID}/members`,
        body: { memberId: 'a/b', memberQuota: 3 },
      },
    ],
    [
      'setMemberStatus',
      {
        call: (it) => it.setMemberStatus(ID, 'a/b', { status: 'accepted' }, context),
        answer: { member: MEMBER },
        result: MEMBER,
        request: `PUT /v1/images/${ID}/members/a%2Fb/status`,
        body: { status: 'accepted' },
      },
    ],
    [
      'removeMember',
      {
        call: (it) => it.removeMember(ID, 'a/b', context),
        answer: { member: MEMBER },
        result: MEMBER,
        request: `POST /v1/images/${ID}/members/a%2Fb/removal`,
      },
    ],
    [
      'setImageStatus',
      {
        call: (it) => it.setImageStatus(ID, { status: 'deactivated' }, context),
        answer: { image: IMAGE },
        result: IMAGE,
        request: `PUT /v1/images/${ID}/status`,
        body: { status: 'deactivated' },
      },
    ],
  ];

  it.each([...reads, ...writes])('%s is one call of the internal API', async (_name, mapping) => {
    await play(json(200, mapping.answer));
    await expect(mapping.call(registry)).resolves.toEqual(mapping.result ?? mapping.answer);
    expect(peer.seen).toHaveLength(1);
    const [seen] = peer.seen;
    expect(`${seen?.method} ${seen?.path}`).toBe(mapping.request);
    expect(seen?.body === '' ? undefined : JSON.parse(seen?.body ?? '')).toEqual(mapping.body);
  });

  it.each(writes)('%s carries a request key', async (_name, mapping) => {
    await play(json(200, mapping.answer));
    await mapping.call(registry);
    await mapping.call(registry);
    const keys = peer.seen.map(({ headers }) => headers[INTERNAL_HEADERS.requestKey]);
    expect(keys).toEqual([expect.stringMatching(/^[0-9a-f-]{36}$/), expect.any(String)]);
    expect(keys[0]).not.toBe(keys[1]);
  });

  it.each(reads)('%s carries no request key', async (_name, mapping) => {
    await play(json(200, mapping.answer));
    await mapping.call(registry);
    expect(peer.seen[0]?.headers).not.toHaveProperty([INTERNAL_HEADERS.requestKey]);
  });

  it('tells who asks, by which key, and how long the caller waits', async () => {
    await play(json(200, { image: IMAGE }));
    await registry.getImage(ID, { ...context, timeoutMs: 5_000 });
    const headers = peer.seen[0]?.headers ?? {};
    const identity = String(headers[INTERNAL_HEADERS.identity]);
    expect(JSON.parse(Buffer.from(identity, 'base64url').toString())).toEqual(IDENTITY);
    expect(headers[INTERNAL_HEADERS.serviceKey]).toBe('a-service-key');
    expect(headers[INTERNAL_HEADERS.requestId]).toBe('req-1');
    expect(headers['user-agent']).toBe('glance-api/1.2.3');
    const deadlineMs = Number(headers[INTERNAL_HEADERS.deadline]);
    expect(deadlineMs).toBeGreaterThan(0);
    expect(deadlineMs).toBeLessThanOrEqual(5_000);
  });

  it.each(['', '.', '..', 'a'.repeat(37), 'nül', '\ud800'])(
    'does not find the impossible id %j without asking',
    async (id) => {
      await play(json(200, { image: IMAGE }));
      await expect(registry.getImage(id, context)).rejects.toMatchObject({
        code: 'image_not_found',
      });
      await expect(registry.finishDeletion(id, context)).rejects.toMatchObject({
        code: 'image_not_found',
      });
      expect(peer.seen).toEqual([]);
    },
  );

  it('keeps an id with reserved characters in its path segment', async () => {
    await play(json(404, { error: { code: 'image_not_found', message: 'no', details: {} } }));
    await expect(registry.getImage('a/../b?c#d', context)).rejects.toMatchObject({
      code: 'image_not_found',
    });
    expect(peer.seen[0]?.path).toBe('/v1/images/a%2F..%2Fb%3Fc%23d');
  });

  it('reports a query that is too long for the HTTP parser as that', async () => {
    await play(json(200, { images: [] }));
    const name = Array.from({ length: 1_000 }, (_, index) => `${index}`.padStart(40, 'x'));
    await expect(registry.listImages({ ...QUERY, name, sort: [] }, context)).rejects.toMatchObject({
      code: 'headers_too_large',
    });
  });

  describe('checkContract', () => {
    it('accepts a registry of the same major version', async () => {
      const info = { contract: { ...CONTRACT_VERSION, minor: 99 }, release: '9' };
      await play(json(200, info));
      const need = { minor: 99, what: 'some_option' };
      await expect(checkContract(registry, context, need)).resolves.toEqual(info);
    });

    it('refuses one of another major version and names both', async () => {
      const major = CONTRACT_VERSION.major + 1;
      await play(json(200, { contract: { major, minor: 3 }, release: '9.9' }));
      await expect(checkContract(registry, context)).rejects.toMatchObject({
        code: 'registry_refused',
        message: expect.stringMatching(
          `release 9.9.*version ${major}.3 .*needs ${CONTRACT_VERSION.major}.x`,
        ) as string,
      });
    });

    it('refuses one that came before what is needed of it, and says what for', async () => {
      const { major, minor } = CONTRACT_VERSION;
      const need = { minor, what: 'some_option' };
      await play(json(200, { contract: { major, minor: minor - 1 }, release: '0.9' }));
      await expect(checkContract(registry, context, need)).rejects.toMatchObject({
        code: 'registry_refused',
        message: expect.stringContaining(`some_option needs ${major}.${minor}`) as string,
      });
    });
  });

  it.each([
    [[]],
    [['ftp://host']],
    [['host:9191']],
    [['http://user:pw@host/']],
    [['http://h/?a=1']],
  ])('refuses the addresses %j', async (baseUrls) => {
    await play(json(200, {}));
    expect(() => new HttpRegistry({ baseUrls, release: '1' })).toThrow(
      expect.objectContaining({ code: 'invalid_request' }),
    );
  });
});
