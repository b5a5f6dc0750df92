import { readdirSync } from 'node:fs';
import { prepareServices } from '../deployment.mjs';
import { identity } from '../our-services.mjs';
import { missing, row } from '../report.mjs';
import { least, repeat } from '../statistics.mjs';

/** Where upstream's package has its definitions. */
const UPSTREAM_FILES = '/etc/glance/metadefs';
const MEMBERS = 10_000;
const ADMIN = { ...identity('bench-admin', 'admin'), 'content-type': 'application/json' };

/**
 * Large transactions on metadata definitions: upstream's whole folder, beside a command that does
 * nothing; and a namespace with many tags, whose deletion is to cost no more than their creation.
 */
export async function measureMetadefs({ resources, server, options }) {
  const { services } = await prepareServices(resources, { server, directory: options.directory });
  return [
    await measureLoad(services, options.rounds),
    await measureDeletion(services, resources, options.rounds),
  ];
}

async function measureLoad(services, rounds) {
  const title = 'load of upstream’s definitions / glance-manage db version';
  const files = filesIn(UPSTREAM_FILES);
  if (files === 0) return missing(title, 'glance-common');
  const measured = await repeat(rounds, () => {
    const load = seconds(() => services.manage('db', 'load_metadefs', '--path', UPSTREAM_FILES));
    services.manage('db', 'unload_metadefs');
    return { load, version: seconds(() => services.manage('db', 'version')) };
  });
  const load = least(measured.map((each) => each.load));
  const version = least(measured.map((each) => each.version));
  return row(title, { measured: load / version, atMost: 3, details: { files, load, version } });
}

async function measureDeletion(services, resources, rounds) {
  const { url } = await services.start(resources);
  const tags = Array.from({ length: MEMBERS }, (_, index) => ({ name: `tag ${index}` }));
  const path = '/v2/metadefs/namespaces';
  const call = async (method, place, body, expected) => {
    const started = performance.now();
    const answer = await fetch(`${url}${path}${place}`, {
      method,
      headers: ADMIN,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    await answer.arrayBuffer();
    if (answer.status !== expected) throw new Error(`${method} ${place}: ${answer.status}`);
    return (performance.now() - started) / 1000;
  };
  const measured = await repeat(rounds, async () => {
    await call('POST', '', { namespace: 'bench' }, 201);
    const creation = await call('POST', '/bench/tags', { tags }, 201);
    return { creation, deletion: await call('DELETE', '/bench', undefined, 204) };
  });
  const creation = least(measured.map((each) => each.creation));
  const deletion = least(measured.map((each) => each.deletion));
  return row(`deletion of a namespace of ${MEMBERS} tags / their creation`, {
    measured: deletion / creation,
    atMost: 1,
    details: { creation, deletion },
  });
}

function filesIn(directory) {
  try {
    return readdirSync(directory).filter((name) => name.endsWith('.json')).length;
  } catch {
    return 0;
  }
}

function seconds(work) {
  const started = performance.now();
  work();
  return (performance.now() - started) / 1000;
}
