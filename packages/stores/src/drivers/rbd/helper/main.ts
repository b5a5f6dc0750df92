import { armFailPoints } from '@glance/common';
import type { RbdQuestion, RbdReply } from '../protocol';
import type { Helper } from './helper';

/**
 * The program of the helper process (ADR 8). It answers the questions of the process that has
 * started it and ends with that.
 */

const CLOSING_MS = 5_000;

let loading: Promise<Helper> | undefined;
let ending = false;

// eslint-disable-next-line no-restricted-properties -- for tests; the service warns of it
const failPoints = process.env['GLANCE_FAIL_POINTS'];
if (failPoints) armFailPoints(failPoints);

// Of a terminal or a supervisor: the service decides when its helper ends, after its last transfer.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined);
process.on('message', (question) => void reply(question as RbdQuestion));
process.on('disconnect', end);

async function reply({ id, call, asked }: RbdQuestion): Promise<void> {
  let helper: Helper | undefined;
  try {
    helper = await (loading ??= load());
    send({ id, answer: await helper.answer(call, asked as never) });
  } catch (error) {
    const failure = (await helper?.describeFailure(error)) ?? librariesMissing(error as Error);
    send({ id, failure });
  }
}

/** To nobody when the service has ended, which ends this process too. */
function send(reply: RbdReply): void {
  process.send?.(reply, () => undefined);
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
