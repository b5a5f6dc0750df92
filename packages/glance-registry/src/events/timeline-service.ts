import {
  DomainError,
  imageNotFound,
  type Identity,
  type TimelineEntry,
  type TimelineQuery,
} from '@glance/common';
import type { CallScope, TransactionRunner } from '../db/transaction';
import { projectOf } from '../images/visibility';
import type { Repositories } from '../repositories';

/** What happened to an image, for its owner and admins. */
export class TimelineService {
  constructor(private readonly transactions: TransactionRunner<Repositories>) {}

  /** @throws DomainError `image_not_found`; `forbidden` for whoever else sees the image. */
  async list(
    imageId: string,
    query: TimelineQuery,
    identity: Identity,
    scope: CallScope,
  ): Promise<TimelineEntry[]> {
    return await this.transactions.read(scope, async ({ images, timeline }) => {
      const image = await images.findVisible(imageId, identity);
      if (!image) throw imageNotFound(imageId);
      const isOwner = image.owner !== null && image.owner === projectOf(identity);
      if (!identity.isAdmin && !isOwner) {
        throw new DomainError('forbidden', 'Only its owner sees what happened to an image.');
      }
      return await timeline.list(image.id, query);
    });
  }
}
