import { createHmac } from 'node:crypto';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { silentLogger } from '@glance/service-kit';
import { TransactionRunner } from '../../db/transaction';
import { createRepositories, type Repositories } from '../../repositories';
import { ADMIN, RegistryWorld } from '../../testing/registry-world';
import { describeEachDatabase } from '../../testing/test-databases';
import { OutboxSender } from './outbox-sender';
import { WebhookSink } from './webhook-sink';

interface Received {
  headers: IncomingHttpHeaders;
  body: string;
  event: { message_id: string; event_type: string; payload: { id: string; name: string } };
}

const SECRET = 'a secret of the receiver';

describeEachDatabase('sending events to a webhook', (current) => {
  let server: Server;
  let received: Received[];
  /** What the receiver answers. */
  let statusFor: (event: Received['event']) => number;
  let senders: OutboxSender[];
  let warnings: string[];
  let nowMs: number;
  let transactions: TransactionRunner<Repositories>;
  let world: RegistryWorld;

  beforeAll(async () => {
    server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const body = Buffer.concat(chunks).toString('utf8');
        const event = JSON.parse(body) as Received['event'];
        received.push({ headers: request.headers, body, event });
        response.writeHead(statusFor(event), { location: '/elsewhere' }).end();
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const announcing = { sinks: ['webhook'], disabled: [] };
    transactions = new TransactionRunner(current().database, (connection, dialect, actor) =>
      createRepositories(connection, dialect, actor, { announcing }),
    );
    world = new RegistryWorld(current().database, undefined, announcing);
  });

  afterAll(async () => {
    await new Promise((resolve) => server.close(resolve));
  });

  beforeEach(async () => {
    received = [];
    senders = [];
    warnings = [];
    nowMs = 0;
    statusFor = () => 204;
    await world.database.knex('registry_outbox').delete();
    await world.database.knex('registry_senders').delete();
  });

  afterEach(async () => {
    for (const sender of senders) await sender.close();
  });

  const newSender = (): OutboxSender => {
    const { port } = server.address() as AddressInfo;
    const sender = new OutboxSender({
      transactions,
      sink: new WebhookSink({
        url: new URL(`http://127.0.0.1:${port}/hook`),
        secret: SECRET,
        publisherId: 'image.test',
        timeoutMs: 5000,
      }),
      logger: { ...silentLogger, warn: (text: string) => void warnings.push(text) },
      pollIntervalMs: 1000,
      now: () => nowMs,
    });
    senders.push(sender);
    return sender;
  };
  const rename = (id: string, name: string) =>
    world.images.update(id, { fields: { name } }, ADMIN, {});
  const namesOf = (id: string): string[] =>
    received.filter(({ event }) => event.payload.id === id).map(({ event }) => event.payload.name);

  it('posts each event once, in the order of its image, with a signature', async () => {
    const images = [await world.create({ name: 'a' }), await world.create({ name: 'a' })];
    for (const name of ['b', 'c', 'd']) for (const { id } of images) await rename(id, name);
    const sender = newSender();
    await sender.run();
    await sender.run();
    for (const { id } of images) expect(namesOf(id)).toEqual(['a', 'b', 'c', 'd']);
    for (const { headers, body, event } of received) {
      const [, time = '', hmac] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(
        String(headers['x-glance-signature']),
      ) ?? ['', ''];
      expect(hmac).toBe(createHmac('sha256', SECRET).update(`${time}.${body}`).digest('hex'));
      expect(headers['x-glance-delivery']).toBe(event.message_id);
      expect(headers['x-glance-event']).toBe(event.event_type);
    }
  });

  it('keeps everything while the receiver is down, and sends it again in order by the same ids', async () => {
    const { id } = await world.create({ name: 'a' });
    await rename(id, 'b');
    statusFor = () => 503;
    const sender = newSender();
    await sender.run();
    const failed = received.map(({ event }) => event.message_id);
    expect(failed).toHaveLength(1);
    // Not before a while is over.
    statusFor = () => 200;
    await sender.run();
    expect(received).toHaveLength(1);
    nowMs += 1000;
    await sender.run();
    expect(namesOf(id)).toEqual(['a', 'a', 'b']);
    expect(received[1]?.event.message_id).toBe(failed[0]);
    expect(warnings).toEqual([expect.stringMatching(/webhook.*tried again in 1 s.*503/)]);
  });

  it('holds back the rest of an image whose event is refused, and no other', async () => {
    const [refused, other] = [await world.create({ name: 'a' }), await world.create({ name: 'a' })];
    await rename(refused.id, 'b');
    statusFor = (event) => (event.payload.id === refused.id ? 400 : 200);
    const sender = newSender();
    await sender.run();
    await rename(other.id, 'b');
    await rename(refused.id, 'c');
    await sender.run();
    expect(namesOf(other.id)).toEqual(['a', 'b']);
    expect(namesOf(refused.id)).toEqual(['a']);
    expect(warnings).toEqual([expect.stringMatching(/refuses an event.*400/)]);
    // The time is over.
    await world.database
      .knex('registry_outbox')
      .where({ image_id: refused.id })
      .update({ next_attempt_at: '2020-01-01 00:00:00' });
    statusFor = () => 200;
    await sender.run();
    expect(namesOf(refused.id)).toEqual(['a', 'a', 'b', 'c']);
  });

  it('does not follow a redirect', async () => {
    const { id } = await world.create();
    statusFor = () => 307;
    await newSender().run();
    expect(received.map(({ event }) => event.payload.id)).toEqual([id]);
    expect(warnings).toEqual([expect.stringMatching(/answers with 307/)]);
  });

  it('is done by one process at a time, and by another when that one stops', async () => {
    await world.create({ name: 'a' });
    const [first, second] = [newSender(), newSender()];
    await first.run();
    await world.create({ name: 'b' });
    await second.run();
    expect(received).toHaveLength(1);
    await first.close();
    await second.run();
    expect(received).toHaveLength(2);
  });

  it('goes on with what a process that died has sent without saying so', async () => {
    const { id } = await world.create({ name: 'a' });
    const dying = newSender();
    await dying.run();
    // It died before it could say so, and its time is over.
    await world.database.knex('registry_outbox').where({ image_id: id }).update({
      delivered_at: null,
    });
    await world.database.knex('registry_senders').update({ expires_at: '2020-01-01 00:00:00' });
    await newSender().run();
    expect(namesOf(id)).toEqual(['a', 'a']);
    expect(new Set(received.map(({ event }) => event.message_id)).size).toBe(1);
  });
});
