import { randomUUID } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import type { CallContext, Registry } from '../../registry';
import type { ContractWorld, NewWorld } from './contract-world';

/** An image that the caller is not to know of, with an upload that runs and a member. */
interface HiddenImage {
  id: string;
  uploadId: string;
  memberId: string;
}

type Call = (world: ContractWorld, image: HiddenImage, caller: CallContext) => Promise<unknown>;

/** Calls that are about no image of the caller's choice. */
type OtherCall =
  | 'metadefs'
  | 'contract'
  | 'listImages'
  | 'createImage'
  | 'claimCopy'
  | 'claimDeletion'
  | 'claimImport'
  | 'listTasks'
  | 'listImageTasks'
  | 'getTask'
  | 'listRemovals'
  | 'listSharedImages'
  | 'judgeBlobs'
  | 'listProjects'
  | 'reportDownloads'
  | 'claimSweep'
  | 'getUsage';

const NO_QUOTA = { memberQuota: null };

/** Every call about one image; a new one does not compile without its row. */
const CALLS: Record<Exclude<keyof Registry, OtherCall>, Call> = {
  getImage: ({ registry }, { id }, caller) => registry.getImage(id, caller),
  updateImage: ({ registry }, { id }, caller) =>
    registry.updateImage(id, { fields: { name: 'taken' } }, caller),
  setImageStatus: ({ registry }, { id }, caller) =>
    registry.setImageStatus(id, { status: 'deactivated' }, caller),
  recordHashes: ({ registry }, { id }, caller) =>
    registry.recordHashes(
      id,
      {
        locationUrl: 'file:///x',
        sizeBytes: 5,
        checksum: '0'.repeat(32),
        hash: { algorithm: 'sha512', value: '9b'.repeat(64) },
      },
      caller,
    ),
  beginUpload: (world, { id }, caller) =>
    world.registry.beginUpload(id, world.uploadRequest(), caller),
  heartbeat: ({ registry }, { id, uploadId }, caller) =>
    registry.heartbeat(id, uploadId, { bytesReceived: 1 }, caller),
  commitUpload: (world, { id, uploadId }, caller) =>
    world.registry.commitUpload(id, uploadId, world.commitRequest(), caller),
  commitStaging: (world, { id, uploadId }, caller) =>
    world.registry.commitStaging(id, uploadId, world.stagedData(), caller),
  beginImport: (world, { id }, caller) =>
    world.registry.beginImport(id, world.importRequest(), caller),
  abandonUpload: ({ registry }, { id, uploadId }, caller) =>
    registry.abandonUpload(id, uploadId, { reason: 'mine now', locationUrl: null }, caller),
  getUpload: ({ registry }, { id, uploadId }, caller) => registry.getUpload(id, uploadId, caller),
  getCopySource: ({ registry }, { id, uploadId }, caller) =>
    registry.getCopySource(id, uploadId, caller),
  beginDeletion: ({ registry }, { id }, caller) =>
    registry.beginDeletion(id, { delayed: false }, caller),
  finishDeletion: ({ registry }, { id }, caller) => registry.finishDeletion(id, caller),
  revertDeletion: ({ registry }, { id }, caller) => registry.revertDeletion(id, caller),
  releaseDeletion: ({ registry }, { id }, caller) => registry.releaseDeletion(id, caller),
  restoreImage: ({ registry }, { id }, caller) => registry.restoreImage(id, caller),
  endRemoval: ({ registry }, { id }, caller) =>
    registry.endRemoval(id, 1, { outcome: 'gone' }, caller),
  listTimeline: ({ registry }, { id }, caller) =>
    registry.listTimeline(id, { order: 'asc', limit: 10 }, caller),
  listMembers: ({ registry }, { id }, caller) => registry.listMembers(id, caller),
  replaceMembers: ({ registry }, { id }, caller) =>
    registry.replaceMembers(id, { members: [], ...NO_QUOTA }, caller),
  putMember: ({ registry }, { id, memberId }, caller) =>
    registry.putMember(id, memberId, NO_QUOTA, caller),
  deleteMember: ({ registry }, { id, memberId }, caller) =>
    registry.deleteMember(id, memberId, caller),
  addMember: ({ registry }, { id, memberId }, caller) =>
    registry.addMember(id, { memberId, ...NO_QUOTA }, caller),
  getMember: ({ registry }, { id, memberId }, caller) => registry.getMember(id, memberId, caller),
  setMemberStatus: ({ registry }, { id, memberId }, caller) =>
    registry.setMemberStatus(id, memberId, { status: 'accepted' }, caller),
  removeMember: ({ registry }, { id, memberId }, caller) =>
    registry.removeMember(id, memberId, caller),
};

/** What is for the service alone is forbidden before the image is looked for. */
const REFUSED = /^(?:image_not_found|not_found|upload_fenced|forbidden): /;

/** Security sheet §10, and §1 OSSN-0055: the service key makes nobody an administrator. */
export function hiddenImageCases(newWorld: NewWorld): void {
  describe.each(Object.entries(CALLS))('%s', (_name, call) => {
    it.each(['private', 'shared'] as const)(
      'answers as for none, for a %s image of another project',
      async (visibility) => {
        const world = newWorld();
        const { id } = await world.create({ visibility });
        const uploadId = await world.begin(id);
        await world.underTest.addMember(id, world.memberProject, 'accepted');
        const memberId = world.memberProject;
        const hidden = { id, uploadId: randomUUID(), memberId };
        const none = { id: randomUUID(), uploadId: randomUUID(), memberId };
        const before = await world.registry.getImage(id, world.owner);
        const answerFor = (image: HiddenImage): Promise<string> =>
          call(world, image, world.stranger).then(
            (value) => `resolved with ${JSON.stringify(value)}`,
            (error: unknown) => {
              const { code, message } = error as { code: string; message: string };
              return `${code}: ${message}`
                .replaceAll(image.id, 'ID')
                .replaceAll(image.uploadId, 'U');
            },
          );
        const answer = await answerFor(hidden);
        expect(answer).toBe(await answerFor(none));
        expect(answer).toMatch(REFUSED);
        // Who has found out the id of its upload gets no further.
        expect(await answerFor({ ...hidden, uploadId })).toMatch(REFUSED);
        expect(await world.registry.getImage(id, world.owner)).toEqual(before);
        expect(await world.registry.listMembers(id, world.owner)).toHaveLength(1);
      },
    );
  });
}
