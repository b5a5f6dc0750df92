import { randomUUID } from 'node:crypto';
import request from 'supertest';
import { startTestApi, type TestApi } from '../testing/test-api';

describe('URLs of API v2', () => {
  let server: TestApi;

  beforeAll(async () => {
    server = await startTestApi();
  });

  afterAll(async () => {
    await server.close();
  });

  const get = (url: string) =>
    request(server.url).get(url).set({ 'x-auth-token': 'u:p:member,reader', accept: 'text/plain' });

  it.each(['/v2/images/%FF', '/v2/images/%E2%82', '/v2/images/100%', '/v2/%C0%AF/x'])(
    'are refused when the path %s is no text',
    async (url) => {
      const { text } = await get(url).expect(400);
      expect(text).toContain('The path is not percent-encoded UTF-8.');
    },
  );

  it.each([`/v2/images%2F${randomUUID()}`, '/v2/images/a%2fb', '/v2/schemas%2Fimage'])(
    'lead nowhere with an encoded slash: %s',
    async (url) => {
      await get(url).expect(404);
    },
  );

  // §18 Listing
  it('are refused when the query is no text', async () => {
    const { text } = await get('/v2/schemas/image?name=%FF').expect(400);
    expect(text).toContain('Error decoding your request');
    await get('/v2/schemas/image?name=100%&other=%E2%82%AC').expect(200);
  });

  it('may repeat slashes and end with none', async () => {
    await get('//v2/schemas/image').expect(200);
    await get('/v2//schemas/image').expect(200);
    await get('/v2/schemas//image?x=//').expect(200);
    await get('/v2//').expect(404);
    await get('/v2/schemas/image/').expect(404);
  });
});
