import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import { connect } from 'amqplib';
import { describeWith } from './installed';

const PROGRAM = path.join(__dirname, '../../scripts/rabbitmq.mjs');

/** What somebody was told, as oslo.messaging wraps it. */
export interface Notification {
  message_id: string;
  publisher_id: string;
  event_type: string;
  priority: string;
  timestamp: string;
  payload: { id?: string; image_id?: string; name?: string; status?: string };
}

export function describeWithRabbitmq(): jest.Describe {
  return describeWith('RABBITMQ', 'test', '-x', '/usr/lib/rabbitmq/bin/rabbitmq-server');
}

/** A throw-away RabbitMQ. */
export class RabbitMq {
  private constructor(
    private readonly program: ChildProcess,
    private readonly lines: Interface,
    readonly port: number,
  ) {}

  static async start(): Promise<RabbitMq> {
    const program = spawn(process.execPath, [PROGRAM], { stdio: ['pipe', 'pipe', 'inherit'] });
    const lines = createInterface({ input: program.stdout });
    const [line] = (await Promise.race([
      once(lines, 'line'),
      once(program, 'exit').then(() => Promise.reject(new Error('RabbitMQ did not start'))),
    ])) as [string];
    return new RabbitMq(program, lines, (JSON.parse(line) as { port: number }).port);
  }

  /** Without a chance to write anything down. */
  async kill(): Promise<void> {
    await this.tell('kill');
  }

  /** On what it had written down. */
  async startAgain(): Promise<void> {
    await this.tell('start');
  }

  /** Takes what waits in the queue of a topic and priority: durable, as the sender has made it. */
  async take(queue: string): Promise<Notification[]> {
    const model = await connect(`amqp://guest:guest@127.0.0.1:${this.port}`);
    try {
      const channel = await model.createChannel();
      // What it says is in the rejection of the call.
      channel.on('error', () => undefined);
      const taken: Notification[] = [];
      for (;;) {
        const message = await channel.get(queue, { noAck: true });
        if (message === false) return taken;
        const envelope = JSON.parse(message.content.toString('utf8')) as Record<string, string>;
        expect(envelope['oslo.version']).toBe('2.0');
        taken.push(JSON.parse(envelope['oslo.message']!) as Notification);
      }
    } finally {
      await model.close();
    }
  }

  async stop(): Promise<void> {
    const exited = once(this.program, 'exit');
    this.program.stdin!.end();
    await exited;
  }

  private async tell(command: string): Promise<void> {
    const done = once(this.lines, 'line');
    this.program.stdin!.write(`${command}\n`);
    await done;
  }
}
