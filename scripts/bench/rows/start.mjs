import { prepareServices } from '../deployment.mjs';
import { row } from '../report.mjs';
import { least, repeat } from '../statistics.mjs';

/** Seconds until both services are ready, over a database that is there. */
export async function measureStart({ resources, server, options }) {
  const { services } = await prepareServices(resources, { server, directory: options.directory });
  const seconds = await repeat(options.rounds, () =>
    resources.scope(async (scope) => {
      const started = performance.now();
      await services.start(scope);
      return (performance.now() - started) / 1000;
    }),
  );
  return [
    row('start, warm: both services ready', {
      measured: least(seconds),
      unit: 's',
      atMost: 3,
      details: { seconds },
    }),
  ];
}
