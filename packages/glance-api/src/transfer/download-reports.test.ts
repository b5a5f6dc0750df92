import http from 'node:http';
import { DomainError, type ReportDownloads } from '@glance/common';
import { FakeRegistry } from '@glance/registry-client/testing';
import { silentLogger } from '@glance/service-kit';
import request from 'supertest';
import { startTestApi } from '../testing/test-api';
import { DownloadReports } from './download-reports';

describe('DownloadReports', () => {
  it('tell of downloads of both versions, whole and broken off, once each', async () => {
    const told: ReportDownloads[] = [];
    const server = await startTestApi();
    jest.spyOn(server.registry, 'reportDownloads').mockImplementation((report) => {
      told.push(report);
      return Promise.resolve(true);
    });
    const owner = () => request.agent(server.url).set('x-auth-token', 'alice:a:member');
    const { id } = (
      await owner()
        .post('/v2/images')
        .send({ disk_format: 'raw', container_format: 'bare', visibility: 'shared' })
        .expect(201)
    ).body;
    await owner()
      .put(`/v2/images/${id}/file`)
      .set('content-type', 'application/octet-stream')
      .send(Buffer.alloc(64 * 1024 * 1024))
      .expect(204);
    server.api.start();
    const giveUpAt = Date.now() + 5000;
    while (told.length === 0 && Date.now() < giveUpAt) await new Promise(setImmediate);
    expect(told).toEqual([{ downloads: [] }]);

    await owner().get(`/v2/images/${id}/file`).set('range', 'bytes=0-9').expect(206);
    await owner().get(`/v1/images/${id}`).expect(200);
    await new Promise<void>((resolve) => {
      const call = http.get(
        `${server.url}/v2/images/${id}/file`,
        { headers: { 'x-auth-token': 'alice:a:member' } },
        (answer) => {
          answer.once('data', () => call.destroy());
          answer.on('error', () => undefined);
          answer.on('close', resolve);
        },
      );
    });
    await server.close();
    const downloads = told.flatMap((report) => report.downloads);
    const known = {
      ...{ imageId: id, owner: 'a', userId: 'alice', projectId: 'a', address: '127.0.0.1' },
    };
    expect(downloads).toEqual([
      { ...known, bytesSent: 10, bytesExpected: 10 },
      { ...known, bytesSent: 67_108_864, bytesExpected: 67_108_864 },
      { ...known, bytesSent: expect.any(Number) as number, bytesExpected: 67_108_864 },
    ]);
    expect(downloads[2]?.bytesSent).toBeLessThan(67_108_864);
  });

  it.each([
    ['wants none', () => Promise.resolve(false)],
    ['is of an earlier release', () => Promise.reject(new DomainError('not_found', 'No route'))],
    ['cannot be asked', () => Promise.reject(new DomainError('registry_unavailable', 'Away'))],
  ])(
    'are not collected for a registry that %s, which is not asked all the time',
    async (_what, answer) => {
      const registry = new FakeRegistry();
      const asked = jest.spyOn(registry, 'reportDownloads').mockImplementation(answer);
      const reports = new DownloadReports(registry, silentLogger);
      for (let round = 0; round < 3; round += 1) await reports.flush();
      await reports.close();
      expect(asked.mock.calls.map(([report]) => report)).toEqual([{ downloads: [] }]);
    },
  );
});
