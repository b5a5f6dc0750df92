import type { ImageMember } from '@glance/common';
import type { EventKind } from '../events/event-kinds';
import type { ImageEvent } from '../events/event-log';
import type { Repositories } from '../repositories';
import type { MemberRow } from './member-repository';
import { liveMembers, type LockedSharing } from './sharing';

/** The memberships of an image whose row is locked. */
type MembersOfLocked = Pick<LockedSharing, 'imageId' | 'rows' | 'now'>;

/** What each member may do: undefined for "as it is, or nothing". */
export type Grants = Map<string, boolean | undefined>;

/** Makes live members of those named. Others stay as they are. */
export async function grant(
  { members, events }: Repositories,
  { imageId, rows }: MembersOfLocked,
  grants: Grants,
): Promise<void> {
  const rowsOf = new Map<string, MemberRow[]>();
  for (const row of rows) {
    const own = rowsOf.get(row.memberId);
    if (own) own.push(row);
    else rowsOf.set(row.memberId, [row]);
  }
  const missing: { memberId: string; canShare: boolean }[] = [];
  const revived = { true: [] as number[], false: [] as number[] };
  const changed = { true: [] as number[], false: [] as number[] };
  const added = new Set<string>();
  const updated = new Set<string>();
  for (const [memberId, canShare] of grants) {
    const own = rowsOf.get(memberId) ?? [];
    const live = own.filter(({ deleted }) => !deleted);
    const newest = own.at(-1);
    if (live.length > 0) {
      const others = live.filter((row) => canShare !== undefined && row.canShare !== canShare);
      changed[`${canShare ?? false}`].push(...others.map(({ id }) => id));
      if (others.length > 0) updated.add(memberId);
    } else {
      if (newest) revived[`${canShare ?? false}`].push(newest.id);
      else missing.push({ memberId, canShare: canShare ?? false });
      added.add(memberId);
    }
  }
  await members.insert(imageId, missing);
  for (const canShare of [true, false]) {
    await members.revive(revived[`${canShare}`], canShare);
    await members.setCanShare(changed[`${canShare}`], canShare);
  }
  const now = liveMembers(await members.findAll(imageId));
  await events.record(imageId, [
    ...eventsOf(
      'member.added',
      now.filter(({ memberId }) => added.has(memberId)),
    ),
    ...eventsOf(
      'member.updated',
      now.filter(({ memberId }) => updated.has(memberId)),
    ),
  ]);
}

/** @returns the memberships that there were. */
export async function remove(
  { members, events }: Repositories,
  { imageId, rows, now }: MembersOfLocked,
  isGone: (row: MemberRow) => boolean,
): Promise<ImageMember[]> {
  const gone = rows.filter((row) => !row.deleted && isGone(row));
  await members.markDeleted(
    imageId,
    gone.map(({ id }) => id),
    now,
  );
  const removed = liveMembers(gone);
  await events.record(imageId, eventsOf('member.removed', removed));
  return removed;
}

function eventsOf(kind: EventKind, members: readonly ImageMember[]): ImageEvent[] {
  return members.map((member) => ({ kind, member }));
}
