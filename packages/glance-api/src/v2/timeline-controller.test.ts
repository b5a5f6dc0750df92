import request from 'supertest';
import { startTestApi, type TestApi } from '../testing/test-api';

const OWNER = 'alice:a:member';
interface Entry {
  number: number;
  event: string;
  step: string;
  reason: string | null;
}

/** `GET /v2/images/{id}/timeline`, an addition of our own. */
describe('the timeline of an image', () => {
  let server: TestApi;

  beforeAll(async () => {
    server = await startTestApi('--limit-param-default=2');
  });

  afterAll(() => server.close());

  const as = (token: string) => request.agent(server.url).set('x-auth-token', token);
  const create = async (disk = 'raw'): Promise<string> => {
    const image = { disk_format: disk, container_format: 'bare' };
    const { body } = await as(OWNER).post('/v2/images').send(image).expect(201);
    return (body as { id: string }).id;
  };

  const upload = (id: string, data: string) =>
    as(OWNER)
      .put(`/v2/images/${id}/file`)
      .set('content-type', 'application/octet-stream')
      .send(data);

  it('tells of an upload page by page', async () => {
    const id = await create();
    const { headers } = await upload(id, 'data').expect(204);
    const first = await as(OWNER).get(`/v2/images/${id}/timeline`).expect(200);
    expect(first.body).toMatchObject({
      first: `/v2/images/${id}/timeline`,
      next: `/v2/images/${id}/timeline?marker=2`,
    });
    const { next } = first.body as { next: string };
    const second = await as(OWNER).get(next).expect(200);
    expect(second.body).toEqual({
      timeline: [
        {
          number: 3,
          at: expect.stringMatching(/Z$/) as unknown,
          event: 'upload',
          step: 'stored',
          user_id: 'alice',
          project_id: 'a',
          request_id: headers['x-openstack-request-id'],
          bytes: 4,
          reason: null,
        },
      ],
      first: `/v2/images/${id}/timeline`,
    });
  });

  it('begins with the newest when asked to, at most so many', async () => {
    const id = await create();
    const { body } = await as(OWNER).get(
      `/v2/images/${id}/timeline?sort_dir=desc&limit=1&marker=2`,
    );
    expect(body).toMatchObject({
      timeline: [{ number: 1, event: 'image', step: 'created' }],
      first: `/v2/images/${id}/timeline?sort_dir=desc&limit=1`,
      next: `/v2/images/${id}/timeline?sort_dir=desc&limit=1&marker=1`,
    });
  });

  it('says why an upload failed as the client was told', async () => {
    const id = await create('qcow2');
    const { body: answer } = await upload(id, 'this is none')
      .set('accept', 'application/json')
      .expect(415);
    const { body } = await as(OWNER).get(`/v2/images/${id}/timeline?sort_dir=desc&limit=1`);
    const [last] = (body as { timeline: Entry[] }).timeline;
    if (!last) throw new Error('nothing is told');
    expect([last.event, last.step]).toEqual(['upload', 'failed']);
    expect((answer as { message: string }).message).toContain(last.reason);
  });

  it.each(['limit=-1', 'limit=x', 'marker=x', 'sort_dir=up'])('refuses %s', async (query) => {
    const id = await create();
    await as(OWNER).get(`/v2/images/${id}/timeline?${query}`).expect(400);
  });
});
