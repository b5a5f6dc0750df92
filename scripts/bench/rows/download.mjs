import { prepareServices } from '../deployment.mjs';
import { uploadByV1, v1Download } from '../image-calls.mjs';
import { nginxMissing, startNginx } from '../nginx.mjs';
import { cpuSeconds } from '../proc.mjs';
import { runProgram } from '../processes.mjs';
import { missing, row } from '../report.mjs';
import { least } from '../statistics.mjs';

const WHAT = 'download: speed / nginx with sendfile';

/** One download at a time of a file that is in the page cache, against nginx serving the same file. */
export async function measureDownload({ resources, server, options }) {
  const lacking = nginxMissing();
  if (lacking) return [missing(WHAT, lacking)];
  const bytes = options.sizeBytes;
  const { services } = await prepareServices(resources, { server, directory: options.directory });
  return resources.scope(async (scope) => {
    const ours = await services.start(scope);
    const nginx = await startNginx(scope, {
      directory: scope.directory(),
      served: services.imageDirectory,
    });
    const { id } = await uploadByV1(scope, ours.apiPort, bytes);
    const before = cpuSeconds(ours.api.pid);
    const rounds = options.rounds * 2 + 1;
    const { wallSeconds } = await runProgram(scope, 'download.mjs', {
      sources: [v1Download(ours.apiPort, id, bytes), { port: nginx.port, path: `/${id}`, bytes }],
      rounds,
    });
    const cpu = (cpuSeconds(ours.api.pid) - before) / rounds / (bytes / 1024 ** 3);
    const [oursSeconds, nginxSeconds] = wallSeconds.map(least);
    return [
      row(WHAT, {
        measured: nginxSeconds / oursSeconds,
        atLeast: 0.9,
        details: { oursSeconds, nginxSeconds, cpuSecondsPerGib: cpu, wallSeconds },
      }),
    ];
  });
}
