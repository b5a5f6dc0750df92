// A RADOS gateway (S3 and Swift) over a throw-away Ceph cluster.
import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { freePort, hasPrograms } from './ceph-cluster.mjs';

const START_MS = 120_000;

/** Buckets are served below this name too, as BUCKET.NAME. */
export const GATEWAY_DOMAIN = 's3.test';

/**
 * It ends with the cluster.
 * @returns the URLs of its two protocols, each with the keys of a user: `s3`, and `swift`, which is
 * that of the login (v1 auth); undefined when it cannot be started.
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
    '--rgw-dns-name',
    GATEWAY_DOMAIN,
    // The cluster is in memory: what was removed goes at once, not in hours.
    '--rgw-gc-obj-min-wait',
    '1',
    '--rgw-gc-processor-period',
    '1',
  );
  await answers(port);
  const secret = randomBytes(16).toString('hex');
  const user = ['--uid', 'test', '--display-name', 'test', '--access-key', 'test'];
  cluster.run('radosgw-admin', '-c', cluster.conf, 'user', 'create', ...user, '--secret', secret);
  const key = randomBytes(16).toString('hex');
  const swiftUser = ['--uid', 'test', '--subuser', 'test:swift', '--access', 'full'];
  const swiftKey = ['--key-type', 'swift', '--secret', key];
  cluster.run('radosgw-admin', '-c', cluster.conf, 'subuser', 'create', ...swiftUser, ...swiftKey);
  return {
    s3: `http://test:${secret}@127.0.0.1:${port}`,
    swift: `http://test%3Aswift:${key}@127.0.0.1:${port}/auth/v1`,
  };
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
