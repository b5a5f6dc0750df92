import { randomUUID } from 'node:crypto';
import { beforeEach, expect, it } from '@jest/globals';
import { MAX_REPORTED_DOWNLOADS, type DownloadReport } from '@glance/common';
import { expectRefusal, type ContractWorld, type NewWorld } from './contract-world';

/** Reports of downloads; whom they are passed on to is the registry's business. */
export function downloadCases(newWorld: NewWorld): void {
  let world: ContractWorld;

  beforeEach(() => {
    world = newWorld();
  });

  const download: DownloadReport = {
    imageId: randomUUID(),
    owner: null,
    bytesSent: 1,
    bytesExpected: 2,
    userId: null,
    projectId: null,
    address: null,
  };

  it('are not wanted where nobody listens', async () => {
    const { registry, service } = world;
    expect(await registry.reportDownloads({ downloads: [] }, service)).toBe(false);
    expect(await registry.reportDownloads({ downloads: [download] }, service)).toBe(false);
  });

  it('come from the service alone, and not too many at once', async () => {
    const { registry, service, owner } = world;
    await expectRefusal(registry.reportDownloads({ downloads: [] }, owner), 'forbidden');
    const downloads = Array.from({ length: MAX_REPORTED_DOWNLOADS + 1 }, () => download);
    await expectRefusal(registry.reportDownloads({ downloads }, service), 'invalid_request');
  });
}
