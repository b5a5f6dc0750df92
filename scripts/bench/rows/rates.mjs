import { mariadbMissing } from '../database.mjs';
import { prepareServices } from '../deployment.mjs';
import { OWNER, fillImages } from '../fill-images.mjs';
import { identity } from '../our-services.mjs';
import { runProgram } from '../processes.mjs';
import { missing, row } from '../report.mjs';
import { repeat } from '../statistics.mjs';
import { startUpstream, upstreamMissing } from '../upstream.mjs';

const IMAGES = 1000;
const WORKERS = 2;
const CONNECTIONS = 8;

/** Ours, what upstream does (instead), and the paths of each for the ids of some images. */
const CALLS = [
  same('GET /v2/images/ID', (ids) => ids.map((id) => `/v2/images/${id}`)),
  same('GET /v2/images?limit=20', () => ['/v2/images?limit=20']),
  same('GET /v2/images?limit=100', () => ['/v2/images?limit=100']),
  {
    what: 'GET /v1/images/detail?limit=20 / upstream GET /v2/images?limit=20',
    ours: () => ({ paths: ['/v1/images/detail?limit=20'] }),
    upstream: () => ({ paths: ['/v2/images?limit=20'] }),
  },
];

/** A call that both know. */
function same(what, paths) {
  const task = (ids) => ({ paths: paths(ids) });
  return { what: `${what} / upstream`, ours: task, upstream: task };
}

/**
 * Requests per second against upstream on the same database, with as many workers and the same
 * load. Upstream's releases of today have no API v1: a v2 call stands in.
 */
export async function measureRates({ resources, server, options }) {
  const lacking = [server ? undefined : mariadbMissing(), upstreamMissing()].filter(Boolean);
  if (lacking.length > 0) {
    return CALLS.map(({ what }) => missing(`requests/s: ${what}`, lacking.join(' ')));
  }
  const { services, name, databaseUrl } = await prepareServices(resources, {
    server,
    directory: options.directory,
    workers: WORKERS,
  });
  const ids = await fillAndPick(server, name);
  // One service after the other, so that neither is disturbed by what the other keeps in memory.
  const ours = await resources.scope(async (scope) => {
    const { apiPort } = await services.start(scope);
    return loads(
      scope,
      options,
      apiPort,
      CALLS.map((call) => call.ours(ids)),
    );
  });
  const theirs = await resources.scope(async (scope) => {
    const directory = scope.directory();
    const { port } = await startUpstream(scope, { directory, databaseUrl, workers: WORKERS });
    return loads(
      scope,
      options,
      port,
      CALLS.map((call) => call.upstream(ids)),
    );
  });
  return CALLS.map(({ what }, index) =>
    row(`requests/s: ${what}`, {
      measured: ours[index].perSecond / theirs[index].perSecond,
      atLeast: 10,
      details: { ours: ours[index], upstream: theirs[index] },
    }),
  );
}

/** @returns ids of some images that OWNER sees. */
async function fillAndPick(server, name) {
  const connection = await server.connect(name);
  await fillImages(connection, IMAGES);
  const [images] = await connection.query(`SELECT id FROM images WHERE owner = '${OWNER}'`);
  await connection.end();
  return images.map(({ id }) => id);
}

/** The best of some runs of each load. */
async function loads(scope, { rounds, seconds }, port, tasks) {
  const results = [];
  for (const task of tasks) {
    const runs = await repeat(rounds, () =>
      runProgram(scope, 'load.mjs', {
        ...task,
        port,
        headers: identity(OWNER),
        connections: CONNECTIONS,
        seconds,
      }),
    );
    if (runs.some(({ failed }) => failed > 0)) {
      throw new Error(`${task.paths[0]} was not always answered with 200`);
    }
    results.push(runs.reduce((best, each) => (each.perSecond > best.perSecond ? each : best)));
  }
  return results;
}
