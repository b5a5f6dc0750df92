import { Socket } from 'node:net';
import { Channel } from '../channel';
import type { RbdQuestion, RbdReply } from '../protocol';
import type { Helper } from './helper';

/**
 * The program of the helper process (ADR 8). It answers questions that come by its fourth file
 * descriptor and ends with the process at the other side.
 */

const CHANNEL_FD = 3;
const CLOSING_MS = 5_000;

const socket = new Socket({ fd: CHANNEL_FD, readable: true, writable: true });
const channel = new Channel<RbdReply, RbdQuestion>(socket, (question, bytes) => {
  void reply(question, bytes);
});
let loading: Promise<Helper> | undefined;
let ending = false;

// Of a terminal or a supervisor: the service decides when its helper ends, after its last transfer.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined);
socket.on('error', end);
socket.on('close', end);

async function reply({ id, call, asked }: RbdQuestion, bytes: Buffer[]): Promise<void> {
  let helper: Helper | undefined;
  try {
    helper = await (loading ??= load());
    const sendBytes = (read: Uint8Array): Promise<void> => channel.send({ id, answer: {} }, read);
    const answer = await helper.answer(call, asked as never, bytes, sendBytes);
    if (typeof answer !== 'symbol') await channel.send({ id, answer });
  } catch (error) {
    const failure = (await helper?.describeFailure(error)) ?? librariesMissing(error as Error);
    await channel.send({ id, failure }).catch(() => undefined);
  }
}

/** Late, so that a machine without Ceph's libraries is told so. */
async function load(): Promise<Helper> {
  const { Helper: Loaded } = await import('./helper.js');
  return new Loaded();
}

function librariesMissing({ message }: Error): RbdReply['failure'] {
  return {
    option: 'stores',
    message: `stores of type rbd need librados.so.2 and librbd.so.1 of Ceph 16 or newer (Debian: librbd1): ${message}`,
  };
}

/** The service has ended, or died: whoever sweeps after it must not find its images in use. */
function end(): void {
  if (ending) return;
  ending = true;
  // A thread that waits for a dead cluster would keep an ordinary exit waiting, too.
  const die = (): void => {
    process.kill(process.pid, 'SIGKILL');
  };
  setTimeout(die, CLOSING_MS);
  const closing = async (): Promise<void> => (await loading)?.close();
  closing().then(die, die);
}
