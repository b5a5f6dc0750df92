import { once } from 'node:events';
import http from 'node:http';
import { startTestApi, type TestApi } from '../testing/test-api';

const OCTETS = { 'content-type': 'application/octet-stream' };
const FORMATS = { 'x-image-meta-disk_format': 'raw', 'x-image-meta-container_format': 'bare' };
const tokenOf = (project: string) => ({ 'x-auth-token': `u:${project}:member` });

describe('transfers at a time', () => {
  let server: TestApi;

  afterEach(async () => {
    await server.close();
  });

  const create = async (project: string): Promise<string> => {
    const answer = await fetch(`${server.url}/v2/images`, {
      method: 'POST',
      headers: { ...tokenOf(project), 'content-type': 'application/json' },
      body: '{"disk_format": "raw", "container_format": "bare"}',
    });
    return ((await answer.json()) as { id: string }).id;
  };
  const statusOf = async (id: string, project: string): Promise<string> => {
    const answer = await fetch(`${server.url}/v2/images/${id}`, { headers: tokenOf(project) });
    return ((await answer.json()) as { status: string }).status;
  };
  const untilStatus = async (id: string, project: string, status: string): Promise<void> => {
    while ((await statusOf(id, project)) !== status) {
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  const put = async (id: string, project: string, data = 'data'): Promise<Response> => {
    const answer = await fetch(`${server.url}/v2/images/${id}/file`, {
      method: 'PUT',
      headers: { ...tokenOf(project), ...OCTETS },
      body: data,
    });
    await answer.arrayBuffer();
    return answer;
  };

  /** An upload that has begun and waits for its second half. */
  async function halfUpload(project: string) {
    const id = await create(project);
    const upload = http.request(`${server.url}/v2/images/${id}/file`, {
      method: 'PUT',
      headers: { ...tokenOf(project), ...OCTETS, 'content-length': 8 },
    });
    upload.on('error', () => undefined);
    upload.write('half');
    await untilStatus(id, project, 'saving');
    return {
      id,
      finish: async (): Promise<number | undefined> => {
        upload.end('half');
        const [answer] = (await once(upload, 'response')) as [http.IncomingMessage];
        answer.resume();
        await once(answer, 'end');
        return answer.statusCode;
      },
      breakOff: async (): Promise<void> => {
        upload.destroy();
        await untilStatus(id, project, 'queued');
      },
    };
  }

  it('that are too many are refused before anything is done, in both versions', async () => {
    server = await startTestApi('--transfer-max-transfers=1');
    const stored = await create('p');
    expect((await put(stored, 'p')).status).toBe(204);
    const queued = await create('p');
    const running = await halfUpload('p');

    const refused = await put(queued, 'p');
    expect(refused.status).toBe(503);
    expect(refused.headers.get('retry-after')).toBeTruthy();
    expect(await statusOf(queued, 'p')).toBe('queued');
    for (const path of [`/v2/images/${stored}/file`, `/v1/images/${stored}`]) {
      const download = await fetch(`${server.url}${path}`, { headers: tokenOf('p') });
      expect([download.status, download.headers.get('content-disposition')]).toEqual([503, null]);
      await download.arrayBuffer();
    }
    const list = async (): Promise<unknown[]> => {
      const answer = await fetch(`${server.url}/v2/images`, { headers: tokenOf('p') });
      return ((await answer.json()) as { images: unknown[] }).images;
    };
    const before = (await list()).length;
    const v1 = { ...tokenOf('p'), ...OCTETS, ...FORMATS };
    const created = await fetch(`${server.url}/v1/images`, {
      method: 'POST',
      headers: v1,
      body: 'x',
    });
    expect([created.status, (await list()).length]).toEqual([503, before]);
    const changed = await fetch(`${server.url}/v1/images/${queued}`, {
      ...{ method: 'PUT', headers: { ...v1, 'x-image-meta-name': 'changed' }, body: 'x' },
    });
    expect([changed.status, await statusOf(queued, 'p')]).toEqual([503, 'queued']);
    const waiting = http.request(`${server.url}/v2/images/${queued}/file`, {
      method: 'PUT',
      headers: { ...tokenOf('p'), ...OCTETS, 'content-length': 8, expect: '100-continue' },
    });
    waiting.on('continue', () => waiting.destroy(new Error('told to send its data')));
    waiting.flushHeaders();
    const [answer] = (await once(waiting, 'response')) as [http.IncomingMessage];
    answer.resume();
    expect(answer.statusCode).toBe(503);
    waiting.destroy();
    // Metadata alone is no transfer.
    expect(
      (await fetch(`${server.url}/v1/images/${stored}`, { method: 'HEAD', headers: v1 })).status,
    ).toBe(200);

    expect(await running.finish()).toBe(204);
    expect((await put(queued, 'p')).status).toBe(204);
  });

  it('give their place back however they end', async () => {
    server = await startTestApi('--transfer-max-transfers=1', '--image-size-cap=10');
    const running = await halfUpload('p');
    await running.breakOff();
    const id = await create('p');
    // Longer than its announced size, and then a hash that is not the recorded one.
    const tooLong = await fetch(`${server.url}/v2/images/${id}/file`, {
      ...{ method: 'PUT', headers: { ...tokenOf('p'), ...OCTETS }, duplex: 'half' },
      body: new Blob(['more than ten bytes']).stream(),
    });
    expect(tooLong.status).toBe(413);
    const wrongSize = await fetch(`${server.url}/v2/images/${id}/file`, {
      ...{ method: 'PUT', body: 'data' },
      headers: { ...tokenOf('p'), ...OCTETS, 'x-openstack-image-size': '9' },
    });
    expect(wrongSize.status).toBe(400);
    expect((await put(id, 'p')).status).toBe(204);
    const outOfRange = await fetch(`${server.url}/v2/images/${id}/file`, {
      headers: { ...tokenOf('p'), range: 'bytes=99-' },
    });
    expect(outOfRange.status).toBe(416);
    const broken = new AbortController();
    const download = await fetch(`${server.url}/v2/images/${id}/file`, {
      ...{ headers: tokenOf('p'), signal: broken.signal },
    });
    broken.abort();
    await download.arrayBuffer().catch(() => undefined);
    const again = await create('p');
    let status: number;
    do {
      status = (await put(again, 'p')).status;
    } while (status === 503);
    expect(status).toBe(204);
  });

  it('are counted by project where that is wanted', async () => {
    server = await startTestApi('--transfer-max-transfers-per-project=1');
    const running = await halfUpload('p');
    const [mine, others] = [await create('p'), await create('q')];
    expect((await put(mine, 'p')).status).toBe(503);
    expect((await put(others, 'q')).status).toBe(204);
    expect(await running.finish()).toBe(204);
    expect((await put(mine, 'p')).status).toBe(204);
  });
});
