import { DATABASES, Deployment } from './support/deployment';

jest.setTimeout(180_000);

const OWNER = 'alice:project-a:member';
const MEMBER = 'bob:project-b:member';
const STRANGER = 'carol:project-c:member';

interface Answer {
  status: number;
  /** Undefined for an answer without JSON. */
  body: unknown;
}

describe.each(DATABASES)('sharing by API v2 on %s', (database) => {
  let deployment: Deployment;

  beforeAll(async () => {
    deployment = await Deployment.start({
      database,
      nodes: 2,
      flavor: 'fakeauth',
      api: { DEFAULT: ['image_member_quota = 3', 'image_tag_quota = 20'] },
    });
  });

  afterAll(async () => {
    await deployment.stop();
  });

  /** The owner and the others use different nodes. */
  async function call(token: string, method: string, path: string, body?: object): Promise<Answer> {
    const url = deployment.apiUrls[token === OWNER ? 0 : 1]!;
    const answer = await fetch(`${url}${path}`, {
      method,
      headers: { 'x-auth-token': token, accept: 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    return { status: answer.status, body: text === '' ? undefined : JSON.parse(text) };
  }
  const status = async (...request: Parameters<typeof call>): Promise<number> =>
    (await call(...request)).status;

  async function created(image: object = {}): Promise<string> {
    const answer = await call(OWNER, 'POST', '/v2/images', image);
    expect(answer).toMatchObject({ status: 201 });
    return (answer.body as { id: string }).id;
  }
  const members = (id: string): string => `/v2/images/${id}/members`;
  const share = (id: string, member = 'project-b') => call(OWNER, 'POST', members(id), { member });
  const reply = (id: string, answer: string) =>
    call(MEMBER, 'PUT', `${members(id)}/project-b`, { status: answer });
  async function lists(id: string, token: string, query: string): Promise<boolean> {
    const answer = await call(token, 'GET', `/v2/images?limit=1000&${query}`);
    expect(answer.status).toBe(200);
    return (answer.body as { images: { id: string }[] }).images.some((image) => image.id === id);
  }

  it('shows an image to a member at once and lists it as the member answers', async () => {
    const id = await created();
    expect(await status(MEMBER, 'GET', `/v2/images/${id}`)).toBe(404);
    expect(await share(id)).toMatchObject({
      status: 200,
      body: { member_id: 'project-b', image_id: id, status: 'pending' },
    });
    const statuses = ['pending', 'accepted', 'rejected'];
    for (const current of ['pending', 'accepted', 'rejected', 'accepted', 'pending']) {
      expect(await reply(id, current)).toMatchObject({ status: 200, body: { status: current } });
      expect(await status(MEMBER, 'GET', `/v2/images/${id}`)).toBe(200);
      expect(await lists(id, MEMBER, '')).toBe(current === 'accepted');
      expect(await lists(id, MEMBER, 'visibility=shared')).toBe(current === 'accepted');
      for (const asked of statuses) {
        const query = `visibility=shared&member_status=${asked}`;
        expect(await lists(id, MEMBER, query)).toBe(asked === current);
      }
      expect(await lists(id, MEMBER, 'member_status=all')).toBe(true);
      expect(await lists(id, OWNER, '')).toBe(true);
      expect(await lists(id, STRANGER, 'member_status=all&visibility=all')).toBe(false);
    }
  });

  it('hides it when the member is removed, and asks anew when it comes back', async () => {
    const id = await created();
    const first = (await share(id)).body as { created_at: string };
    await reply(id, 'accepted');
    expect(await status(MEMBER, 'DELETE', `${members(id)}/project-b`)).toBe(403);
    expect(await status(OWNER, 'PUT', `${members(id)}/project-b`, { status: 'rejected' })).toBe(
      403,
    );
    expect(await status(OWNER, 'DELETE', `${members(id)}/project-b`)).toBe(204);
    expect(await status(OWNER, 'DELETE', `${members(id)}/project-b`)).toBe(404);
    expect(await status(MEMBER, 'GET', `/v2/images/${id}`)).toBe(404);
    expect(await status(MEMBER, 'GET', members(id))).toBe(404);
    expect(await lists(id, MEMBER, 'member_status=all')).toBe(false);
    const again = await share(id);
    expect(again).toMatchObject({ status: 200, body: { status: 'pending' } });
    const { created_at: since } = again.body as { created_at: string };
    expect(since >= first.created_at).toBe(true);
  });

  it('keeps members while the image is not shared', async () => {
    const id = await created();
    await share(id);
    await reply(id, 'accepted');
    const become = async (visibility: string): Promise<void> => {
      const answer = await fetch(`${deployment.apiUrl}/v2/images/${id}`, {
        method: 'PATCH',
        headers: {
          'x-auth-token': OWNER,
          'content-type': 'application/openstack-images-v2.1-json-patch',
        },
        body: JSON.stringify([{ op: 'replace', path: '/visibility', value: visibility }]),
      });
      expect(answer.status).toBe(200);
    };
    await become('private');
    expect(await status(MEMBER, 'GET', `/v2/images/${id}`)).toBe(404);
    expect(await status(OWNER, 'GET', members(id))).toBe(403);
    await become('shared');
    expect(await call(MEMBER, 'GET', members(id))).toMatchObject({
      status: 200,
      body: { members: [{ member_id: 'project-b', status: 'accepted' }] },
    });
  });

  it('has the members that API v1 has', async () => {
    const id = await created();
    const byV1 = `/v1/images/${id}/members`;
    await share(id);
    expect((await call(OWNER, 'GET', byV1)).body).toEqual({
      members: [{ member_id: 'project-b', can_share: false }],
    });
    expect(await status(OWNER, 'PUT', `${byV1}/project-c`, { member: { can_share: true } })).toBe(
      204,
    );
    const ids = async (token: string): Promise<string[]> => {
      const { body } = await call(token, 'GET', members(id));
      return (body as { members: { member_id: string }[] }).members.map((each) => each.member_id);
    };
    expect(await ids(OWNER)).toEqual(['project-b', 'project-c']);
    expect(await ids(STRANGER)).toEqual(['project-c']);
    expect(await status(OWNER, 'DELETE', `${byV1}/project-b`)).toBe(204);
    expect(await ids(OWNER)).toEqual(['project-c']);
    expect(await status(OWNER, 'DELETE', `${members(id)}/project-c`)).toBe(204);
    expect((await call(OWNER, 'GET', byV1)).body).toEqual({ members: [] });
  });

  it('adds no member twice nor one too many when all are added at once', async () => {
    const id = await created();
    const same = await Promise.all(Array.from({ length: 4 }, () => share(id)));
    expect(same.map((answer) => answer.status).sort()).toEqual([200, 409, 409, 409]);
    const others = await Promise.all(['c', 'd', 'e', 'f'].map((member) => share(id, member)));
    expect(others.map((answer) => answer.status).sort()).toEqual([200, 200, 413, 413]);
    const { body } = await call(OWNER, 'GET', members(id));
    expect((body as { members: unknown[] }).members).toHaveLength(3);
  });

  it('loses no tag of those that are changed at once', async () => {
    const id = await created({ tags: ['old'] });
    const names = Array.from({ length: 10 }, (_, index) => `tag-${index}`);
    const tag = (name: string): string => `/v2/images/${id}/tags/${name}`;
    const answers = await Promise.all([
      ...names.map((name) => status(OWNER, 'PUT', tag(name))),
      status(OWNER, 'DELETE', tag('old')),
    ]);
    expect(new Set(answers)).toEqual(new Set([204]));
    const { body } = await call(OWNER, 'GET', `/v2/images/${id}`);
    expect((body as { tags: string[] }).tags.sort()).toEqual(names);
    expect(await status(OWNER, 'PUT', tag('gabe%40example.com'))).toBe(204);
    expect(await status(OWNER, 'DELETE', tag('old'))).toBe(404);
    expect(await lists(id, OWNER, 'tag=gabe%40example.com&tag=tag-3')).toBe(true);
  });

  it('takes an image out of use and back', async () => {
    const answer = await fetch(`${deployment.apiUrl}/v1/images`, {
      method: 'POST',
      headers: {
        'x-auth-token': OWNER,
        'content-type': 'application/octet-stream',
        'x-image-meta-disk-format': 'raw',
        'x-image-meta-container-format': 'bare',
      },
      body: 'data',
    });
    const { id } = ((await answer.json()) as { image: { id: string } }).image;
    const act = (action: string) => status(OWNER, 'POST', `/v2/images/${id}/actions/${action}`);
    for (const [action, result] of [
      ['deactivate', 'deactivated'],
      ['deactivate', 'deactivated'],
      ['reactivate', 'active'],
    ] as const) {
      expect(await act(action)).toBe(204);
      const { body } = await call(OWNER, 'GET', `/v2/images/${id}`);
      expect(body).toMatchObject({ status: result });
    }
    expect(await status(OWNER, 'POST', `/v2/images/${await created()}/actions/deactivate`)).toBe(
      403,
    );
  });
});
