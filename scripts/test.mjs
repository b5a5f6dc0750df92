// npm test: the whole suite, on SQLite and on a real MariaDB or MySQL.
//   TEST_MYSQL_URL=mysql://user:password@host:port/   a server to use instead of a private one
//   TEST_S3_URL=http://access:secret@host:port        an S3 server to use instead of a private one
//   TEST_S3_DOMAIN=name                               buckets are served as BUCKET.name by that server, too
//   TEST_SWIFT_URL=http://user:key@host:port/auth/v1.0  a Swift to use instead of a private one
//   TEST_RADOS_SWIFT_URL=http://user:key@host:port/auth/v1  the Swift API of a RADOS gateway, likewise
//   TEST_CEPH_CONF=/path/ceph.conf                    a throw-away Ceph cluster to use instead of a private one
//   SHEEP_BIN=/path/sheep DOG_BIN=/path/dog           test the sheepdog store with a real server, too
//   npm test -- ARGS                                  passed on to jest
import { spawnSync } from 'node:child_process';
import { startCephCluster } from './ceph-cluster.mjs';
import { startMariadb } from './mariadb.mjs';
import { GATEWAY_DOMAIN, startRadosGateway } from './rados-gateway.mjs';
import { startSwift } from './swift.mjs';
import { bin, ensureBuilt, ensureInstalled, requireNode, ROOT } from './workspace.mjs';

requireNode();
ensureInstalled();
ensureBuilt({ all: true });

const env = { ...process.env };
let database;
if (!env.TEST_MYSQL_URL) {
  database = await startMariadb();
  if (database) {
    env.TEST_MYSQL_URL = database.url;
  } else {
    const text =
      'NO MARIADB OR MYSQL: everything that needs one is SKIPPED. Install mariadb-server or set TEST_MYSQL_URL.';
    console.error(`\n${'!'.repeat(text.length)}\n${text}\n${'!'.repeat(text.length)}\n`);
    if (env.CI) process.exit(1);
  }
}

// Tests that need it say so themselves, aloud, and fail in CI.
let ceph;
if (!env.TEST_S3_URL || !env.TEST_RADOS_SWIFT_URL || !env.TEST_CEPH_CONF) {
  ceph = await startCephCluster();
  if (ceph) {
    env.TEST_CEPH_CONF ||= ceph.conf;
    const gateway = await startRadosGateway(ceph);
    if (!env.TEST_S3_URL) {
      env.TEST_S3_URL = gateway?.s3 ?? '';
      env.TEST_S3_DOMAIN = GATEWAY_DOMAIN;
    }
    env.TEST_RADOS_SWIFT_URL ||= gateway?.swift ?? '';
  }
}
let swift;
if (!env.TEST_SWIFT_URL) {
  swift = await startSwift();
  if (swift) env.TEST_SWIFT_URL = swift.url;
}

let result;
try {
  result = spawnSync(process.execPath, [bin('jest', 'bin/jest.js'), ...process.argv.slice(2)], {
    cwd: ROOT,
    env,
    stdio: 'inherit',
  });
} finally {
  await swift?.stop();
  await ceph?.stop();
  await database?.stop();
}
process.exit(result?.status ?? 1);
