import { randomUUID } from 'node:crypto';
import type { DownloadReport } from '@glance/common';
import type { Announcing } from '../events/event-log';
import { ADMIN, RegistryWorld } from '../testing/registry-world';
import { describeEachDatabase } from '../testing/test-databases';
import { DownloadService } from './download-service';

const aDownload = (fields: Partial<DownloadReport> = {}): DownloadReport => ({
  imageId: randomUUID(),
  owner: 'owner',
  bytesSent: 10,
  bytesExpected: 10,
  userId: 'user',
  projectId: 'receiver',
  address: '192.0.2.1',
  ...fields,
});

describeEachDatabase('DownloadService', (current) => {
  const serviceTelling = (announcing?: Announcing): DownloadService =>
    new DownloadService(new RegistryWorld(current().database).transactions, announcing);
  const waiting = async (imageId: string): Promise<Record<string, unknown>[]> =>
    (await current()
      .database.knex('registry_outbox')
      .where('image_id', imageId)
      .orderBy('id')) as Record<string, unknown>[];

  it('tells every sink of each download, and of one that was broken off as of an error', async () => {
    const service = serviceTelling({ sinks: ['one', 'two'], disabled: ['image.update'] });
    const whole = aDownload();
    const part = aDownload({ bytesSent: 3, userId: null, projectId: null, address: null });
    expect(await service.report({ downloads: [whole, part] }, ADMIN, {})).toBe(true);
    const rows = [...(await waiting(whole.imageId)), ...(await waiting(part.imageId))];
    expect(rows.map(({ event, priority, sink }) => [event, priority, sink])).toEqual([
      ['image.send', 'INFO', 'one'],
      ['image.send', 'INFO', 'two'],
      ['image.send', 'ERROR', 'one'],
      ['image.send', 'ERROR', 'two'],
    ]);
    expect(rows.map(({ payload }) => JSON.parse(String(payload)) as unknown)[0]).toEqual({
      bytes_sent: 10,
      image_id: whole.imageId,
      owner_id: 'owner',
      receiver_tenant_id: 'receiver',
      receiver_user_id: 'user',
      destination_ip: '192.0.2.1',
    });
  });

  it.each<[string, Announcing | undefined]>([
    ['nobody listens', undefined],
    ['it is disabled', { sinks: ['one'], disabled: ['image.send'] }],
    ['all of images is', { sinks: ['one'], disabled: ['image'] }],
  ])('says that nobody wants to know where %s, and writes nothing', async (_what, announcing) => {
    const download = aDownload();
    const service = serviceTelling(announcing);
    expect(await service.report({ downloads: [download] }, ADMIN, {})).toBe(false);
    expect(await waiting(download.imageId)).toEqual([]);
  });

  it('is asked by the service alone', async () => {
    const user = { ...ADMIN, isAdmin: false };
    const report = serviceTelling().report({ downloads: [] }, user, {});
    await expect(report).rejects.toMatchObject({ code: 'forbidden' });
  });
});
