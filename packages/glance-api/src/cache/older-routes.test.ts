import { randomUUID } from 'node:crypto';
import { startTestApi } from '../testing/test-api';

const ROUTES = [
  ['GET', 'cached_images'],
  ['DELETE', 'cached_images'],
  ['DELETE', `cached_images/${randomUUID()}`],
  ['GET', 'queued_images'],
  ['DELETE', 'queued_images'],
  ['PUT', `queued_images/${randomUUID()}`],
  ['DELETE', `queued_images/${randomUUID()}`],
] as const;

describe.each(ROUTES)('v1 cache management: %s %s', (method, path) => {
  async function ask(flavor: string, token: string): Promise<{ status: number; text: string }> {
    const server = await startTestApi(`--paste-deploy-flavor=${flavor}`);
    try {
      const answer = await fetch(`${server.url}/v1/${path}`, {
        method,
        headers: { 'x-auth-token': token },
      });
      return { status: answer.status, text: await answer.text() };
    } finally {
      await server.close();
    }
  }

  it('is for whom manage_image_cache lets pass, and there is no cache', async () => {
    expect((await ask('fakeauth+cachemanagement', 'u:p:member')).status).toBe(403);
    const answer = await ask('fakeauth+cachemanagement', 'u:p:admin');
    expect(answer.status).toBe(404);
    expect(answer.text).toContain('Caching via API is not supported at this site.');
  });

  it('does not exist unless it is switched on', async () => {
    const answer = await ask('fakeauth', 'u:p:admin');
    expect(answer.status).toBe(404);
    expect(answer.text).not.toContain('Caching');
  });
});
