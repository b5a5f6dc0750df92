// npm run bench: what the services reach, against what the design asks of them.
import os from 'node:os';
import { mkdirSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { startDatabase } from './bench/deployment.mjs';
import { printTable, writeJson } from './bench/report.mjs';
import { Resources } from './bench/resources.mjs';
import { measureCache } from './bench/rows/cache.mjs';
import { measureDownload } from './bench/rows/download.mjs';
import { measureImport } from './bench/rows/import.mjs';
import { measureLists } from './bench/rows/lists.mjs';
import { measureMemory } from './bench/rows/memory.mjs';
import { measureMetadefs } from './bench/rows/metadefs.mjs';
import { measureRates } from './bench/rows/rates.mjs';
import { measureStart } from './bench/rows/start.mjs';
import { measureStores, STORES } from './bench/rows/stores.mjs';
import { measureUpload } from './bench/rows/upload.mjs';
import { ensureBuilt, ensureInstalled, requireNode } from './workspace.mjs';

const ROWS = {
  start: measureStart,
  upload: measureUpload,
  download: measureDownload,
  cache: measureCache,
  import: measureImport,
  stores: measureStores,
  memory: measureMemory,
  rates: measureRates,
  lists: measureLists,
  metadefs: measureMetadefs,
};

const USAGE = `Usage: npm run bench -- [--OPTION VALUE ...]
Measures the built services on this machine, as ratios within one run; prints a table.
  --only ROWS       rows to measure, separated by commas: ${Object.keys(ROWS).join(', ')} (default: all)
  --size GIB        size of the uploads and downloads (default 1)
  --stores STORES   stores of the stores row, separated by commas: ${STORES.join(', ')} (default: all)
  --parallel N      transfers in flight in the memory row (default 32)
  --images N        images of the large table in the list rows (default 1000000)
  --rounds N        repetitions of each measurement, of which the best counts (default 3)
  --seconds N       length of one measurement of requests per second (default 5)
  --directory DIR   where images are stored: its file system is measured (default: the system's temporary directory)
  --json FILE       writes the rows with all their numbers
Compared with when installed (Debian): nginx-light, glance-api with python3-pymysql, mariadb-server; the stores row
with rclone, radosgw, ceph-mon, ceph-osd, ceph-common, librbd1, python3-swiftclient and the packages of Swift.`;

const options = readOptions();
if (process.platform !== 'linux') exitWith('The measurements read /proc: they need Linux.');
requireNode();
ensureInstalled();
ensureBuilt({ all: false });

const resources = new Resources();
let interrupted = false;
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.once(signal, () => {
    interrupted = true;
    console.error(`\n${signal}: stopping what was started ...`);
    void resources.close().then(() => process.exit(130));
  });
}

let failed = false;
const rows = [];
try {
  const server = await startDatabase(resources);
  for (const name of options.only) {
    console.error(`measuring: ${name} ...`);
    try {
      const measured = await resources.scope((scope) =>
        ROWS[name]({ resources: scope, server, options }),
      );
      rows.push(...measured);
    } catch (error) {
      if (interrupted) break;
      failed = true;
      console.error(`${name} could not be measured: ${error.stack}`);
    }
  }
} finally {
  await resources.close();
}
printTable(rows);
if (options.json) writeJson(options.json, options, rows);
// Targets are for people to judge: a busy machine misses them. Only what could not run is an error.
process.exitCode = failed ? 1 : 0;

function readOptions() {
  const text = (value) => ({ type: 'string', default: value });
  try {
    const { values } = parseArgs({
      options: {
        only: text(Object.keys(ROWS).join(',')),
        size: text('1'),
        stores: text(STORES.join(',')),
        parallel: text('32'),
        images: text('1000000'),
        rounds: text('3'),
        seconds: text('5'),
        directory: text(os.tmpdir()),
        json: { type: 'string' },
        help: { type: 'boolean' },
      },
    });
    if (values.help) {
      console.log(USAGE);
      process.exit(0);
    }
    const only = namesIn('only', values.only, Object.keys(ROWS));
    const stores = namesIn('stores', values.stores, STORES);
    mkdirSync(values.directory, { recursive: true });
    return {
      only,
      stores,
      sizeBytes: Math.round(positive('size', values.size) * 1024 ** 3),
      parallel: positiveInteger('parallel', values.parallel),
      images: positiveInteger('images', values.images),
      rounds: positiveInteger('rounds', values.rounds),
      seconds: positive('seconds', values.seconds),
      directory: values.directory,
      json: values.json,
    };
  } catch (error) {
    return exitWith(`${error.message}\n${USAGE}`);
  }
}

function namesIn(option, value, known) {
  const names = value.split(',');
  const unknown = names.filter((name) => !known.includes(name));
  if (unknown.length > 0) throw new Error(`--${option}: there is no ${unknown.join(', ')}`);
  return names;
}

function positive(name, value) {
  const number = Number(value);
  if (!(number > 0) || !Number.isFinite(number))
    throw new Error(`--${name}: ${value} is not a number above 0`);
  return number;
}

function positiveInteger(name, value) {
  const number = positive(name, value);
  if (!Number.isInteger(number)) throw new Error(`--${name}: ${value} is not a whole number`);
  return number;
}

function exitWith(message) {
  console.error(message);
  process.exit(2);
}
