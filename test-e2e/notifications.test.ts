import { randomUUID } from 'node:crypto';
import { DATABASES, Deployment, eventually } from './support/deployment';
import { ImageSource } from './support/image-source';
import { describeWithRabbitmq, RabbitMq, type Notification } from './support/rabbitmq';
import { executeSql, queryAll } from './support/sql';
import { createV2, putFileV2, RAW_BARE } from './support/v2-client';

jest.setTimeout(180_000);

/** What the database does for the outbox is tested on each beside the source. */
const DATABASE = DATABASES.at(-1)!;
const MEMBER = 'project-of-a-friend';

describeWithRabbitmq()(`notifications to RabbitMQ, on ${DATABASE}`, () => {
  let broker: RabbitMq;
  let deployment: Deployment;
  let source: ImageSource;
  const told: Notification[] = [];

  beforeAll(async () => {
    [broker, source] = await Promise.all([
      RabbitMq.start(),
      ImageSource.start(Buffer.from('data')),
    ]);
    deployment = await Deployment.start({
      database: DATABASE,
      registry: {
        DEFAULT: [
          `transport_url = rabbit://guest:guest@127.0.0.1:${broker.port}/`,
          'default_publisher_id = image.test',
        ],
        oslo_messaging_notifications: ['driver = messagingv2'],
        oslo_messaging_rabbit: ['amqp_durable_queues = true'],
        outbox: ['poll_interval = 0.1'],
      },
      api: {
        DEFAULT: ['enabled_import_methods = web-download'],
        glance_store: source.storeOptions,
        import_filtering_opts: [`allowed_ports = 80, ${source.port}`],
        import: ['poll_interval = 0.5'],
      },
    });
  });

  afterAll(async () => {
    await deployment.stop();
    await source.close();
    await broker.stop();
  });

  const ask = async (method: string, path: string, body?: unknown, type = 'application/json') => {
    const answer = await fetch(`${deployment.apiUrl}/v2/images${path === '' ? '' : `/${path}`}`, {
      method,
      ...(body === undefined
        ? {}
        : { body: JSON.stringify(body), headers: { 'content-type': type } }),
    });
    await answer.arrayBuffer();
    return answer.status;
  };
  const rename = (id: string, name: string) =>
    ask(
      'PATCH',
      id,
      [{ op: 'replace', path: '/name', value: name }],
      'application/openstack-images-v2.1-json-patch',
    );
  const listen = async (): Promise<void> => {
    told.push(...(await broker.take('notifications.info')));
  };
  const about = (id: string): Notification[] =>
    told.filter(({ payload }) => payload.id === id || payload.image_id === id);

  it('tell of a download when it has ended, and to whom it went', async () => {
    const id = randomUUID();
    expect(await createV2(deployment.apiUrl, id)).toBe(201);
    expect(await putFileV2(deployment.apiUrl, id, Buffer.from('data'))).toBe(204);
    const sent = () => about(id).filter(({ event_type }) => event_type === 'image.send');
    await eventually(async () => {
      // Until the api knows that somebody listens it reports nothing.
      expect(await ask('GET', `${id}/file`)).toBe(200);
      await listen();
      expect(sent()[0]).toMatchObject({
        priority: 'INFO',
        payload: { image_id: id, bytes_sent: 4, destination_ip: '127.0.0.1' },
      });
    });
    expect(await ask('DELETE', id)).toBe(204);
  });

  it('tell of each step once and in order, from the image to its deletion', async () => {
    const id = randomUUID();
    expect(await createV2(deployment.apiUrl, id)).toBe(201);
    expect(await putFileV2(deployment.apiUrl, id, Buffer.from('data'))).toBe(204);
    expect(await rename(id, 'renamed')).toBe(200);
    expect(await ask('POST', `${id}/members`, { member: MEMBER })).toBe(200);
    expect(await ask('PUT', `${id}/members/${MEMBER}`, { status: 'accepted' })).toBe(200);
    expect(await ask('DELETE', `${id}/members/${MEMBER}`)).toBe(204);
    expect(await ask('DELETE', id)).toBe(204);

    await eventually(async () => {
      await listen();
      expect(about(id).at(-1)?.event_type).toBe('image.delete');
    });
    expect(about(id).map(({ event_type, payload }) => [event_type, payload.status])).toEqual([
      ['image.create', 'queued'],
      ['image.update', 'saving'],
      ['image.prepare', 'saving'],
      ['image.upload', 'active'],
      ['image.activate', 'active'],
      ['image.update', 'active'],
      ['image.update', 'active'],
      ['image.member.create', 'pending'],
      ['image.member.update', 'accepted'],
      ['image.member.delete', 'accepted'],
      ['image.delete', 'pending_delete'],
    ]);
    expect(about(id)[0]).toMatchObject({
      publisher_id: 'image.test',
      priority: 'INFO',
      timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}$/),
    });
    expect(JSON.stringify(about(id))).not.toContain('file://');
  });

  it('tell of an import and its task', async () => {
    const id = randomUUID();
    expect(await createV2(deployment.apiUrl, id)).toBe(201);
    const method = { name: 'web-download', uri: `${source.url}?secret-of-the-source` };
    expect(await ask('POST', `${id}/import`, { method })).toBe(202);
    const mine = () =>
      told.filter((each) => about(id).includes(each) || each.event_type.startsWith('task.'));
    await eventually(async () => {
      await listen();
      expect(mine().at(-1)?.event_type).toBe('task.success');
    });
    expect(mine().map(({ event_type }) => event_type)).toEqual([
      'image.create',
      'image.update',
      'task.create',
      'task.run',
      'task.processing',
      'image.prepare',
      'image.upload',
      'image.update',
      'image.activate',
      'task.success',
    ]);
    expect(JSON.stringify(told)).not.toContain('secret-of-the-source');
  });

  it('tell of a failure as an error', async () => {
    const id = randomUUID();
    const image = { id, ...RAW_BARE, disk_format: 'qcow2' };
    expect(await ask('POST', '', image)).toBe(201);
    expect(await putFileV2(deployment.apiUrl, id, Buffer.from('this is none'))).toBe(415);
    await eventually(async () => {
      const [failure] = await broker.take('notifications.error');
      expect(failure).toMatchObject({ event_type: 'image.upload', priority: 'ERROR' });
      expect(failure?.payload).toContain(id);
    });
  });

  it('wait for a broker that was killed, and outlive the kill of the registry', async () => {
    const id = randomUUID();
    expect(await createV2(deployment.apiUrl, id)).toBe(201);
    await eventually(async () => {
      await listen();
      expect(about(id)).toHaveLength(1);
    });
    expect(await rename(id, 'in the queue')).toBe(200);
    await eventually(async () => {
      const waiting = 'SELECT id FROM registry_outbox WHERE delivered_at IS NULL';
      expect(await queryAll(deployment, waiting)).toEqual([]);
    });
    await broker.kill();
    // No request waits for the broker, or fails with it.
    for (const name of ['one', 'two', 'three']) expect(await rename(id, name)).toBe(200);
    const [registry] = deployment.registries;
    registry!.child.kill('SIGKILL');
    await registry!.exited;
    await Promise.all([deployment.restart(registry!), broker.startAgain()]);
    // The claim of the process that died, which would hold for half a minute.
    await executeSql(deployment, `UPDATE registry_senders SET expires_at = '2020-01-01 00:00:00'`);
    await eventually(async () => {
      await listen();
      expect(about(id).map(({ payload }) => payload.name)).toEqual([
        null,
        'in the queue',
        'one',
        'two',
        'three',
      ]);
    }, 60_000);
    // None of them twice.
    expect(new Set(told.map(({ message_id }) => message_id)).size).toBe(told.length);
  });
});
