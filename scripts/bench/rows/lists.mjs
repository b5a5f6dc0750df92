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
  stranger: { headers: identity(STRANGER), everything: '' },
  owner: { headers: identity(OWNER), everything: '' },
  // Admins list as others do, unless they ask for all.
  admin: { headers: identity(STRANGER, 'admin'), everything: '&is_public=none' },
};

/** The default listing, every order, and every filter that an index answers. */
const QUERIES = {
  default: '',
  'sort by name': '&sort_key=name&sort_dir=asc',
  'sort by size': '&sort_key=size',
  'sort by status': '&sort_key=status',
  'sort by disk_format': '&sort_key=disk_format',
  'sort by container_format': '&sort_key=container_format',
  'sort by updated_at': '&sort_key=updated_at',
  'sort by id': '&sort_key=id',
  'name (rare)': `&name=${encodeURIComponent(RARE_NAME)}`,
  'name (none)': '&name=no-such-image',
  'status (none)': '&status=queued',
  'changes-since': `&changes-since=${encodeURIComponent(LATELY)}`,
  'property (all)': '&property-os_distro=debian',
  'property (rare)': `&property-build=${encodeURIComponent(RARE_NAME)}`,
  'disk_format (a third)': '&disk_format=raw',
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
  for (const [caller, { headers, everything }] of Object.entries(CALLERS)) {
    for (const [query, parameters] of Object.entries(QUERIES)) {
      const paths = [`/v1/images/detail?limit=20${everything}${parameters}`];
      const rounds = await repeat(options.rounds, async () => ({
        few: await pageTime(resources, { port: few, paths, headers }),
        many: await pageTime(resources, { port: many, paths, headers }),
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

/** @returns the port of services over so many images. */
async function startWith(count, { resources, server, options }) {
  const { services, name } = await prepareServices(resources, {
    server,
    directory: options.directory,
  });
  const connection = await server.connect(name);
  await fillImages(connection, count);
  await connection.end();
  return (await services.start(resources)).apiPort;
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
