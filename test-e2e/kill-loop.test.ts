import { createHash, randomBytes, randomInt } from 'node:crypto';
import { check } from './support/checker';
import { DATABASES, Deployment } from './support/deployment';
import { FaultMaker } from './support/fault-maker';
import { ImageSource } from './support/image-source';
import { Random } from './support/random';
import { Writers } from './support/writers';

/** Set by `npm run faults`. */
const MINUTES = Number(process.env['FAULTS_MINUTES'] ?? 0.2);
const SEED = Number(process.env['FAULTS_SEED'] ?? randomInt(2 ** 31));
const DATABASE_PID_FILE = process.env['FAULTS_DATABASE_PID_FILE'] || undefined;
const ONLY = process.env['FAULTS_DATABASE'];
const WRITERS = 6;
const SETTLE_MS = 60_000;

jest.setTimeout(MINUTES * 60_000 + 600_000);

const databases = DATABASES.filter((database) => ONLY === undefined || database === ONLY);

describe.each(databases)('processes that fail at random while images are written on %s', (kind) => {
  let deployment: Deployment;
  let source: ImageSource;
  const copied = randomBytes(2_000_000);

  beforeAll(async () => {
    source = await ImageSource.start(copied);
    deployment = await Deployment.start({
      database: kind,
      nodes: 2,
      registry: { uploads: ['lease_seconds = 4', 'sweep_interval = 0.5'] },
      api: {
        DEFAULT: ['wakeup_time = 0.5', 'deletion_grace = 5'],
        transfer: ['sweep_interval = 0.5'],
        glance_store: source.storeOptions,
        copy_from: ['poll_interval = 0.5', 'retry_interval = 1'],
      },
    });
  });

  afterAll(async () => {
    await deployment.stop();
    await source.close();
  });

  it('lose nothing that was acknowledged and leave nothing behind', async () => {
    const random = new Random(SEED);
    const end = new AbortController();
    const { apiUrls } = deployment;
    const md5 = createHash('md5').update(copied).digest('hex');
    const writers = new Writers({
      apiUrls,
      random,
      source: { url: source.url, md5 },
      stop: end.signal,
    });
    const faults = new FaultMaker({
      deployment,
      random: new Random(SEED + 1),
      stop: end.signal,
      databasePidFile: DATABASE_PID_FILE,
    });
    const timer = setTimeout(() => end.abort(), MINUTES * 60_000);
    try {
      await Promise.all([writers.run(WRITERS), faults.run()]);
    } finally {
      clearTimeout(timer);
      end.abort();
    }
    const checked = await check(deployment, writers.journal, { settleMs: SETTLE_MS });
    const findings = [...writers.findings, ...checked];
    report(kind, writers, faults, findings);
    expect(findings).toEqual([]);
    expect(writers.journal.filter(({ stored }) => stored).length).toBeGreaterThan(0);
    expect(faults.schedule.length).toBeGreaterThan(0);
  });
});

function report(kind: string, writers: Writers, faults: FaultMaker, findings: string[]): void {
  const table = (counts: Map<string, number>) =>
    [...counts].sort().map(([name, count]) => `    ${String(count).padStart(7)}  ${name}`);
  const lines = [
    `${MINUTES} minutes of faults on ${kind}, seed ${SEED}: ${findings.length} findings`,
    '  faults',
    ...table(faults.counts),
    '  operations and answers',
    ...table(writers.counts),
    ...(findings.length === 0 ? [] : ['  findings', ...findings.map((each) => `    ${each}`)]),
    ...(findings.length === 0
      ? []
      : ['  schedule', ...faults.schedule.map((each) => `    ${each}`)]),
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
}
