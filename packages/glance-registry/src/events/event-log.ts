import { randomUUID } from 'node:crypto';
import type { ImageMember, ImageRecord } from '@glance/common';
import type { Actor } from '../db/transaction';
import type { ImageRepository } from '../images/image-repository';
import { requireFound } from '../images/image-rights';
import type { TaskRepository } from '../tasks/task-repository';
import { announcedOf, wordsOf, type Announced, type EventKind } from './event-kinds';
import { imagePayload, memberPayload, taskPayload, transferPayload } from './event-payloads';
import type { OutboxRepository } from './outbox-repository';
import type { TimelineRepository } from './timeline-repository';

/** Something that has happened to an image in this transaction. */
export interface ImageEvent {
  kind: EventKind;
  bytes?: number | null;
  /** Why it failed, as far as users may know. */
  reason?: string;
  storeId?: string;
  taskId?: string;
  member?: ImageMember;
}

/** Who is told of events, and of which. */
export interface Announcing {
  /** Names of the sinks that get each announcement. */
  sinks: readonly string[];
  /** Event types that are not announced, or their first parts: `image`, `image.update`. */
  disabled: readonly string[];
}

export const NOBODY_LISTENS: Announcing = { sinks: [], disabled: [] };

/**
 * The one place where events are written: the timeline of the image, and an announcement for each
 * sink, in the transaction of the change. So each committed change is told of, and no other
 * (reliability sheet P13). The image's row is locked, or was made here.
 */
export class EventLog {
  constructor(
    private readonly timeline: TimelineRepository,
    private readonly outbox: OutboxRepository,
    private readonly images: ImageRepository,
    private readonly tasks: TaskRepository,
    private readonly announcing: Announcing,
    private readonly actor: Actor,
  ) {}

  /**
   * @param image as this transaction leaves it; looked up when it is not given and somebody is
   * told.
   */
  async record(imageId: string, events: readonly ImageEvent[], image?: ImageRecord): Promise<void> {
    if (events.length === 0) return;
    await this.timeline.add(
      imageId,
      this.actor,
      events.map(({ kind, member, ...about }) => ({
        ...wordsOf(kind),
        ...about,
        ...(member ? { memberId: member.memberId } : {}),
      })),
    );
    await this.announce(imageId, events, image);
  }

  private async announce(
    imageId: string,
    events: readonly ImageEvent[],
    known: ImageRecord | undefined,
  ): Promise<void> {
    const { sinks } = this.announcing;
    if (sinks.length === 0) return;
    const chosen = events.flatMap((event) =>
      announcedOf(event.kind)
        .filter(({ type }) => isAnnounced(this.announcing, type))
        .map((announced) => ({ event, announced })),
    );
    let image = known;
    const messages = [];
    for (const { event, announced } of chosen) {
      if (announced.payload === 'image' || announced.payload === 'transfer') {
        image ??= requireFound(await this.images.find(imageId));
      }
      messages.push({
        messageId: randomUUID(),
        type: announced.type,
        priority: announced.priority,
        payload: await this.payloadOf(imageId, event, announced, image),
      });
    }
    await this.outbox.add(imageId, sinks, messages);
  }

  private async payloadOf(
    imageId: string,
    { kind, reason, storeId, taskId, member }: ImageEvent,
    { payload }: Announced,
    image: ImageRecord | undefined,
  ): Promise<unknown> {
    switch (payload) {
      case 'image':
        return imagePayload(requireFound(image));
      case 'transfer':
        return transferPayload(requireFound(image), storeId);
      case 'failure':
        return `Image ${imageId} could not be uploaded: ${reason ?? 'Internal error'}`;
      case 'member':
        if (!member) throw new Error(`${kind} does not say which member`);
        return memberPayload(imageId, member, kind === 'member.removed');
      case 'task': {
        const task = taskId === undefined ? undefined : await this.tasks.find(taskId);
        if (!task) throw new Error(`${kind} does not say which task`);
        return taskPayload(task);
      }
    }
  }
}

export function isAnnounced({ disabled }: Announcing, type: string): boolean {
  return !disabled.includes(type) && !disabled.includes(type.split('.')[0] ?? '');
}
