import {
  TIMELINE_LENGTH,
  type Identity,
  type TimelineEntry,
  type TimelineQuery,
} from '@glance/common';
import type { FakeImage } from './fake-image';

/** Who made a call; undefined for the service itself. */
export interface FakeActor {
  identity: Pick<Identity, 'userId' | 'projectId'>;
  requestId: string;
}

type About = Partial<Pick<TimelineEntry, 'bytes' | 'reason' | 'storeId' | 'taskId' | 'memberId'>>;

/** What happened to each image, as the fake remembers it. */
export class FakeTimeline {
  private readonly entries = new Map<string, TimelineEntry[]>();

  constructor(private readonly now: () => string) {}

  /** @param kind event and step, such as `upload.started` */
  add(imageId: string, kind: string, actor: FakeActor | undefined, about: About = {}): void {
    const [event = '', step = ''] = kind.split('.');
    const known = this.entries.get(imageId) ?? [];
    known.push({
      number: (known.at(-1)?.number ?? 0) + 1,
      at: this.now(),
      event,
      step,
      userId: actor?.identity.userId ?? null,
      projectId: actor?.identity.projectId ?? null,
      requestId: actor?.requestId ?? null,
      bytes: null,
      reason: null,
      storeId: null,
      taskId: null,
      memberId: null,
      ...about,
    });
    this.entries.set(imageId, known.slice(-TIMELINE_LENGTH));
  }

  /** What has become of the members since then: those who left, came, and may do something else. */
  addMemberChanges(image: FakeImage, before: FakeImage['members'], actor: FakeActor): void {
    const { id } = image.record;
    for (const memberId of before.keys()) {
      if (!image.members.has(memberId)) this.add(id, 'member.removed', actor, { memberId });
    }
    for (const memberId of image.members.keys()) {
      if (!before.has(memberId)) this.add(id, 'member.added', actor, { memberId });
    }
    for (const [memberId, { canShare }] of image.members) {
      const known = before.get(memberId);
      if (known && known.canShare !== canShare) {
        this.add(id, 'member.updated', actor, { memberId });
      }
    }
  }

  list(imageId: string, { order, after, limit }: TimelineQuery): TimelineEntry[] {
    const known = structuredClone(this.entries.get(imageId) ?? []);
    if (order === 'desc') known.reverse();
    const start = after === undefined ? -1 : known.findIndex(({ number }) => number === after);
    return known.slice(start + 1, start + 1 + limit);
  }
}
