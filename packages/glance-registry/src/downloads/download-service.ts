import { randomUUID } from 'node:crypto';
import type { DownloadReport, Identity, ReportDownloads } from '@glance/common';
import type { CallScope, TransactionRunner } from '../db/transaction';
import { isAnnounced, NOBODY_LISTENS, type Announcing } from '../events/event-log';
import type { NewMessage } from '../events/outbox-repository';
import { requireService } from '../http/require-service';
import type { Repositories } from '../repositories';

const TYPE = 'image.send';

/** Tells of downloads (api-v2 sheet §15). They change nothing, so that the api may lose a report. */
export class DownloadService {
  constructor(
    private readonly transactions: TransactionRunner<Repositories>,
    private readonly announcing: Announcing = NOBODY_LISTENS,
  ) {}

  /** @returns whether anybody is told; if not, the database is not asked for anything. */
  async report(
    { downloads }: ReportDownloads,
    identity: Identity,
    scope: CallScope,
  ): Promise<boolean> {
    requireService(identity);
    const { sinks } = this.announcing;
    if (sinks.length === 0 || !isAnnounced(this.announcing, TYPE)) return false;
    if (downloads.length === 0) return true;
    await this.transactions.write(scope, async ({ outbox }) => {
      for (const download of downloads) {
        await outbox.add(download.imageId, sinks, [messageOf(download)]);
      }
      return null;
    });
    return true;
  }
}

function messageOf(download: DownloadReport): NewMessage {
  const { imageId, owner, bytesSent, bytesExpected, userId, projectId, address } = download;
  return {
    messageId: randomUUID(),
    type: TYPE,
    priority: bytesSent === bytesExpected ? 'INFO' : 'ERROR',
    payload: {
      bytes_sent: bytesSent,
      image_id: imageId,
      owner_id: owner,
      receiver_tenant_id: projectId,
      receiver_user_id: userId,
      destination_ip: address,
    },
  };
}
