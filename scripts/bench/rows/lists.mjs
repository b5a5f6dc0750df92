import { mariadbMissing } from '../database.mjs';
import { prepareServices } from '../deployment.mjs';
import { LATELY, OWNER, RARE_NAME, STRANGER, fillImages } from '../fill-images.mjs';
import { identity } from '../our-services.mjs';
import { runProgram } from '../processes.mjs';
import { missing, row } from '../report.mjs';
import { least, repeat } from '../statistics.mjs';

const FEW_IMAGES = 1000;
const REQUESTS = 40;

const CALLERS = {
  stranger: identity(STRANGER),
  owner: identity(OWNER),
  admin: identity(STRANGER, 'admin'),
};

const rare = encodeURIComponent(RARE_NAME);
/** The default listing, every order, and every filter that an index answers. */
const QUERIES = {
  default: '',
  'sort by name': 'sort=name:asc',
  'sort by size': 'sort=size',
  'sort by status': 'sort=status',
  'sort by disk_format': 'sort=disk_format',
  'sort by container_format': 'sort=container_format',
  'sort by created_at, oldest first': 'sort=created_at:asc',
  'sort by updated_at': 'sort=updated_at',
  'sort by id': 'sort=id',
  'name (rare)': `name=${rare}`,
  'name (none)': 'name=no-such-image',
  'status (none)': 'status=queued',
  'visibility public': 'visibility=public',
  'visibility community': 'visibility=community',
  'visibility shared': 'visibility=shared',
  owner: `owner=${OWNER}`,
  'tag (all)': 'tag=bench',
  'tags (all, rare)': `tag=bench&tag=${rare}`,
  'property (all)': 'os_distro=debian',
  'property (rare)': `build=${rare}`,
  'disk_format (a third)': 'disk_format=raw',
  'created_at (half)': 'created_at=lt:MIDDLE_TIME',
  'updated_at (few)': `updated_at=gt:${encodeURIComponent(LATELY)}`,
  'size (half), sort by size': 'size_min=MIDDLE_SIZE&sort=size:asc',
  'deep marker': 'marker=MIDDLE_ID',
  'deep marker, sort by name': 'marker=MIDDLE_ID&sort=name:asc',
};

/**
 * The time of one page at many images against its time at a thousand, for each caller and query.
 * Both tables are there at once and asked in turns, so that a disturbance meets both.
 */
export async function measureLists({ resources, server, options }) {
  const title = `list page at ${options.images} / at ${FEW_IMAGES} images`;
  const lacking = mariadbMissing();
  if (lacking) return [missing(title, lacking)];
  const few = await startWith(FEW_IMAGES, { resources, server, options });
  const many = await startWith(options.images, { resources, server, options });
  const rows = [];
  for (const [caller, headers] of Object.entries(CALLERS)) {
    for (const [query, parameters] of Object.entries(QUERIES)) {
      const path = (middle) => `/v2/images?limit=20&${middle.fill(parameters)}`;
      const rounds = await repeat(options.rounds, async () => ({
        few: await pageTime(resources, { port: few.port, paths: [path(few.middle)], headers }),
        many: await pageTime(resources, { port: many.port, paths: [path(many.middle)], headers }),
      }));
      const fewMs = least(rounds.map((round) => round.few));
      const manyMs = least(rounds.map((round) => round.many));
      rows.push(
        row(`${title}: ${caller}, ${query}`, {
          measured: manyMs / fewMs,
          atMost: 2,
          details: { fewMs, manyMs },
        }),
      );
    }
  }
  return rows;
}

/** @returns the port of services over so many images, and what tells of the image in the middle. */
async function startWith(count, { resources, server, options }) {
  const { services, name } = await prepareServices(resources, {
    server,
    directory: options.directory,
  });
  const connection = await server.connect(name);
  await fillImages(connection, count);
  // One that everybody sees.
  const [[image]] = await connection.query(
    `SELECT id, size, DATE_FORMAT(created_at, '%Y-%m-%dT%H:%i:%sZ') AS time FROM images
      WHERE visibility = 'public' ORDER BY created_at LIMIT 1 OFFSET ${Math.floor(count / 10)}`,
  );
  await connection.end();
  const middle = {
    fill: (parameters) =>
      parameters
        .replace('MIDDLE_ID', image.id)
        .replace('MIDDLE_SIZE', image.size)
        .replace('MIDDLE_TIME', encodeURIComponent(image.time)),
  };
  return { port: (await services.start(resources)).apiPort, middle };
}

/** Milliseconds of a page: of many the first decile, which other work on the machine disturbs little. */
async function pageTime(resources, task) {
  const { firstDecileMs, failed } = await runProgram(resources, 'load.mjs', {
    ...task,
    connections: 1,
    requests: REQUESTS,
  });
  if (failed > 0) throw new Error(`${task.paths[0]} was not always answered with 200`);
  return firstDecileMs;
}
