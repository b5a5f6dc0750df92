// A RADOS gateway (S3) over a throw-away Ceph cluster.
import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { freePort, hasPrograms } from './ceph-cluster.mjs';

const START_MS = 120_000;

/**
 * It ends with the cluster.
 * @returns its URL with the keys of a user; undefined when it cannot be started.
 */
export async function startRadosGateway(cluster) {
  if (!hasPrograms(['radosgw', 'radosgw-admin'])) return undefined;
  try {
    return await start(cluster);
  } catch (error) {
    console.error(`The RADOS gateway did not start: ${error.message}`);
    return undefined;
  }
}

async function start(cluster) {
  const port = await freePort();
  const frontend = `beast endpoint=127.0.0.1:${port} tcp_nodelay=1`;
  const name = 'client.gateway';
  cluster.daemon(
    'radosgw',
    '-n',
    name,
    '--rgw-frontends',
    frontend,
    '--rgw-thread-pool-size',
    '32',
  );
  await answers(port);
  const secret = randomBytes(16).toString('hex');
  const user = ['--uid', 'test', '--display-name', 'test', '--access-key', 'test'];
  cluster.run('radosgw-admin', '-c', cluster.conf, 'user', 'create', ...user, '--secret', secret);
  return `http://test:${secret}@127.0.0.1:${port}`;
}

async function answers(port) {
  const deadline = Date.now() + START_MS;
  for (;;) {
    const answer = await fetch(`http://127.0.0.1:${port}/`).catch(() => undefined);
    if (answer?.ok) return;
    if (Date.now() > deadline) throw new Error('it does not answer');
    await pause(200);
  }
}
