import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { prepareServices } from '../deployment.mjs';
import { cachedImages, uploadByV1, v1Download } from '../image-calls.mjs';
import { cpuSeconds } from '../proc.mjs';
import { runProgram } from '../processes.mjs';
import { row } from '../report.mjs';
import { least } from '../statistics.mjs';

const HIT = 'cache: speed of a hit / of the file store';
const MISS = 'cache: speed of a miss, the image comes into the cache / of the file store';

/**
 * One download at a time, in turn from an api with a cache and from one without, over one store and
 * file system; everything is in the page cache.
 */
export async function measureCache({ resources, server, options }) {
  const bytes = options.sizeBytes;
  const { services } = await prepareServices(resources, { server, directory: options.directory });
  const cacheDirectory = path.join(services.directory, 'cache');
  return resources.scope(async (scope) => {
    const plain = await services.start(scope);
    const cached = await services.startApi(scope, {
      registryPort: plain.registryPort,
      flavor: 'trusted-auth+cachemanagement',
      options: [`image_cache_dir = ${cacheDirectory}`, `image_cache_max_size = ${4 * bytes}`],
    });
    const { id } = await uploadByV1(scope, plain.apiPort, bytes);
    const [ours, stores] = [cached, plain].map(({ apiPort }) => v1Download(apiPort, id, bytes));
    const first = await runProgram(scope, 'download.mjs', { sources: [ours, stores], rounds: 1 });
    const [[missSeconds], [besideSeconds]] = first.wallSeconds;
    // The last bytes are out before the data is on stable storage and has its record.
    while (!(await cachedImages(cached.url)).includes(id)) await pause(50);
    const before = cpuSeconds(cached.api.pid);
    const rounds = options.rounds * 2 + 1;
    const { wallSeconds } = await runProgram(scope, 'download.mjs', {
      sources: [ours, stores],
      rounds,
    });
    const cpu = (cpuSeconds(cached.api.pid) - before) / rounds / (bytes / 1024 ** 3);
    const [hitSeconds, storeSeconds] = wallSeconds.map(least);
    return [
      row(HIT, {
        measured: storeSeconds / hitSeconds,
        atLeast: 0.95,
        details: { hitSeconds, storeSeconds, cpuSecondsPerGib: cpu, wallSeconds },
      }),
      row(MISS, {
        measured: storeSeconds / missSeconds,
        details: { missSeconds, besideSeconds },
      }),
    ];
  });
}
