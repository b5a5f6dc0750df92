import { mariadbMissing } from '../database.mjs';
import { prepareServices } from '../deployment.mjs';
import { LATELY, OWNER, RARE_NAME, STRANGER, fillImages } from '../fill-images.mjs';
import { identity } from '../our-services.mjs';
import { runProgram } from '../processes.mjs';
import { missing, row } from '../report.mjs';
import { least, repeat } from '../statistics.mjs';

const FEW_IMAGES = 1000;

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

/** The time of one page at many images against its time at a thousand, for each caller and query. */
export async function measureLists({ resources, server, options }) {
  const title = `list page at ${options.images} / at ${FEW_IMAGES} images`;
  const lacking = mariadbMissing();
  if (lacking) return [missing(title, lacking)];
  const few = await timesAt(FEW_IMAGES, { resources, server, options });
  const many = await timesAt(options.images, { resources, server, options });
  return Object.keys(few).map((what) =>
    row(`${title}: ${what}`, {
      measured: many[what] / few[what],
      atMost: 2,
      details: { fewMs: few[what], manyMs: many[what] },
    }),
  );
}

/** Median milliseconds of a page by caller and query. */
async function timesAt(count, { resources, server, options }) {
  const { services, name } = await prepareServices(resources, {
    server,
    directory: options.directory,
  });
  const connection = await server.connect(name);
  await fillImages(connection, count);
  await connection.end();
  return resources.scope(async (scope) => {
    const { apiPort: port } = await services.start(scope);
    const times = {};
    for (const [caller, { headers, everything }] of Object.entries(CALLERS)) {
      for (const [query, parameters] of Object.entries(QUERIES)) {
        const paths = [`/v1/images/detail?limit=20${everything}${parameters}`];
        const runs = await repeat(options.rounds, () =>
          runProgram(scope, 'load.mjs', { port, paths, headers, connections: 1, seconds: 0.5 }),
        );
        if (runs.some(({ failed }) => failed > 0)) throw new Error(`${paths[0]} failed`);
        times[`${caller}, ${query}`] = least(runs.map(({ medianMs }) => medianMs));
      }
    }
    return times;
  });
}
