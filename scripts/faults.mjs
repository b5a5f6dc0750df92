// npm run faults: the random kill loop. Clients write, read and delete images of known content while
// glance-api, glance-registry and the database are killed, paused and replaced; then everything is
// compared with what the clients were told.
import { spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { startMariadb } from './mariadb.mjs';
import { bin, ensureBuilt, ensureInstalled, requireNode, ROOT } from './workspace.mjs';

const USAGE = `npm run faults -- [--minutes N] [--seed S] [--database mysql|sqlite]
  --minutes   how long processes are made to fail; 5 unless given
  --seed      an integer that repeats the choices of an earlier run
  --database  mysql (a private MariaDB, killed too) unless given
Ends with 0 when nothing was lost, wrong or left behind.`;

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '5' },
    seed: { type: 'string', default: String(randomInt(2 ** 31)) },
    database: { type: 'string', default: 'mysql' },
    help: { type: 'boolean', default: false },
  },
});
const wrong =
  !(Number(values.minutes) > 0) ||
  !/^\d+$/.test(values.seed) ||
  !['mysql', 'sqlite'].includes(values.database);
if (values.help || wrong) {
  console[wrong ? 'error' : 'log'](USAGE);
  process.exit(wrong ? 2 : 0);
}

requireNode();
ensureInstalled();
ensureBuilt({ all: true });

let database;
if (values.database === 'mysql') {
  database = await startMariadb({ killable: true });
  if (!database) {
    console.error('No MariaDB: install mariadb-server, or use --database sqlite.');
    process.exit(1);
  }
}
const test = spawn(
  process.execPath,
  [bin('jest', 'bin/jest.js'), '--selectProjects', 'e2e', '--testPathPatterns', 'kill-loop'],
  {
    cwd: ROOT,
    stdio: 'inherit',
    env: {
      ...process.env,
      TEST_MYSQL_URL: database?.url ?? '',
      FAULTS_DATABASE_PID_FILE: database?.pidFile ?? '',
      FAULTS_DATABASE: values.database,
      FAULTS_MINUTES: values.minutes,
      FAULTS_SEED: values.seed,
    },
  },
);
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => test.kill(signal));
test.once('exit', async (code) => {
  await database?.stop();
  process.exit(code ?? 1);
});
