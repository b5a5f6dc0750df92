// What the deployment has to stand. Each check returns lines that say what it saw, and throws when that is not it.
import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { CountedCalls, download, md5, upload, useRealClients } from './clients.mjs';
import { until } from './run.mjs';

const APIS = ['glance-api-1', 'glance-api-2'];
const REGISTRIES = ['glance-registry-1', 'glance-registry-2'];
const PIECE = 256 * 1024;

function data(pieces) {
  return Array.from({ length: pieces }, () => randomBytes(PIECE));
}

/** Neither root nor a compiler, nothing that can be written but what is mounted. */
export async function checkContainers(stack) {
  const lines = [];
  for (const service of [...APIS, ...REGISTRIES]) {
    const shell = async (script) => (await stack.exec(service, 'sh', '-c', script)).trim();
    const uid = await shell('id -u');
    if (uid === '0') throw new Error(`${service} runs as root`);
    const compilers = await shell('for each in cc gcc g++ make; do command -v $each; done; true');
    if (compilers !== '') throw new Error(`${service} has ${compilers}`);
    const written = await shell(
      'touch /opt/glance/x 2>&1 || touch /etc/x 2>&1 || touch /x 2>&1 || echo refused',
    );
    if (!written.endsWith('refused'))
      throw new Error(`${service} can write to its root: ${written}`);
  }
  lines.push('all four run as user 1000 on a read-only root, without a compiler');
  const code = await stack.exec(APIS[0], 'sh', '-c', 'ls -d packages/* node_modules/*');
  const [strange] =
    code.match(/packages\/glance-registry|node_modules\/(knex|mysql2|libsql)\b/) ?? [];
  if (strange !== undefined) throw new Error(`the api image has ${strange}`);
  lines.push('the api image has no code that reaches the database');
  return lines;
}

export async function checkClients(stack, directory) {
  return await useRealClients(stack.url, directory);
}

/** From where clients are, and from the network of the load balancer, neither registry nor database is reached. */
export async function checkPrivateNetwork(stack) {
  const { engine } = stack;
  const addressOf = async (service) => {
    const text = await engine.podman(
      'inspect',
      '--format',
      '{{json .NetworkSettings.Networks}}',
      stack.container(service),
    );
    return JSON.parse(text)[stack.network('private')].IPAddress;
  };
  const targets = [];
  for (const service of REGISTRIES) targets.push(service, await addressOf(service));
  targets.push('database', await addressOf('database'));
  const published = await engine.podman(
    'ps',
    '--filter',
    `name=${stack.project}-`,
    '--format',
    '{{.Names}} {{.Ports}}',
  );
  const open = published.split('\n').filter((line) => line.includes('->'));
  if (open.length !== 1 || !open[0].startsWith(stack.container('balancer'))) {
    throw new Error(`published: ${open.join('; ')}`);
  }
  // The same probe reaches both where they may be reached: it can tell.
  const probe = (host, port) =>
    `const s=require('net').connect(${port},'${host}');s.setTimeout(8000,()=>process.exit(1));s.on('connect',()=>process.exit(0));s.on('error',()=>process.exit(1))`;
  const portOf = (target) => (target === targets.at(-1) || target === 'database' ? 3306 : 9191);
  for (const target of targets) {
    await stack.exec(APIS[0], 'node', '-e', probe(target, portOf(target)));
    const reached = await engine
      .podman(
        ...['run', '--rm', '--network', stack.network('public'), '--entrypoint', 'node'],
        ...['localhost/glance-api', '-e', probe(target, portOf(target))],
      )
      .then(
        () => true,
        () => false,
      );
    if (reached) throw new Error(`${target} is reached from the network of the load balancer`);
  }
  return [
    'one port is published, of the load balancer',
    `from its network neither name nor address reaches ${targets.join(', ')}; an api reaches all`,
  ];
}

/** 20 uploads, and one api is killed in the middle of them: those that fail are sent again. */
export async function checkKilledApi(stack) {
  const images = Array.from({ length: 20 }, () => ({ pieces: data(16) }));
  let inTheMiddle = 0;
  let goOn;
  const killed = new Promise((resolve) => {
    goOn = resolve;
  });
  const failed = [];
  const first = images.map(async (image) => {
    const onPiece = async (index) => {
      if (index !== 8) return;
      inTheMiddle += 1;
      await killed;
    };
    image.id = await upload(stack.url, image.pieces, { onPiece }).catch((error) => {
      failed.push(error);
      return undefined;
    });
  });
  await until(
    'all uploads are in their middle',
    () => inTheMiddle + failed.length === images.length,
  );
  await stack.kill(APIS[0]);
  goOn();
  await Promise.all(first);
  if (failed.length === 0 || failed.length === images.length) {
    throw new Error(`${failed.length} of ${images.length} uploads met the killed api`);
  }
  for (const image of images.filter(({ id }) => id === undefined)) {
    image.id = await upload(stack.url, image.pieces);
  }
  await stack.start(APIS[0]);
  await stack.ready(APIS[0]);
  for (const { id, pieces } of images) {
    if ((await download(stack.url, id)) !== md5(pieces))
      throw new Error(`${id}: other data came back`);
  }
  const kept = new Set(images.map(({ id }) => id));
  const state = await until(
    'nothing is left of the uploads that died',
    async () => {
      // What the services do every ten minutes.
      await stack.compose('run', '--rm', 'manage', 'store', 'unfinished');
      const listed = await listAll(stack.url);
      const files = await filesOf(stack);
      const strange = files.filter((file) => !kept.has(file));
      const stuck = listed.filter(
        ({ id, status }) => status === 'saving' || (kept.has(id) && status !== 'active'),
      );
      if (strange.length > 0 || stuck.length > 0) {
        throw new Error(
          `files ${strange.join(' ')}; images ${stuck.map(({ id, status }) => `${id} ${status}`).join(', ')}`,
        );
      }
      return { files: files.length };
    },
    // The lease of a dead upload ends after 90 seconds, and is looked for every 30.
    240_000,
  );
  for (const id of kept) await fetch(`${stack.url}/v2/images/${id}`, { method: 'DELETE' });
  return [
    `${failed.length} of ${images.length} uploads failed with the killed api, and succeeded when sent again`,
    `all ${images.length} come back as they were sent; ${state.files} files in the store, no image left in saving`,
  ];
}

async function listAll(url) {
  const images = [];
  for (let next = '/v2/images?limit=100'; next !== undefined;) {
    const page = await (await fetch(`${url}${next}`)).json();
    images.push(...page.images);
    next = page.next;
  }
  return images;
}

/** Files of images, finished or not. */
async function filesOf(stack) {
  const text = await stack.exec(APIS[1], 'sh', '-c', 'find /var/lib/glance/images -type f');
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.replace(/^.*\//, ''));
}

/** Every service is stopped and started again, one after the other, while clients go on. */
export async function checkRollingRestart(stack) {
  const calls = new CountedCalls(stack.url);
  const transfers = { count: 0, failures: [] };
  let rolling = true;
  const load = [
    ...Array.from({ length: 4 }, async () => {
      while (rolling) await calls.round();
    }),
    (async () => {
      while (rolling) {
        const pieces = data(4);
        // Slowly, so that transfers run while services stop.
        const onPiece = () => pause(100);
        try {
          const id = await upload(stack.url, pieces, { onPiece });
          if ((await download(stack.url, id)) !== md5(pieces))
            throw new Error('other data came back');
          await fetch(`${stack.url}/v2/images/${id}`, { method: 'DELETE' });
          transfers.count += 1;
        } catch (error) {
          transfers.failures.push(String(error.cause ?? error));
        }
      }
    })(),
  ];
  try {
    for (const service of [...REGISTRIES, ...APIS]) {
      await stack.stop(service);
      await stack.start(service);
      await stack.ready(service);
      // The load balancer looks once a second, twice until it believes it.
      const seen = calls.total;
      await until('more calls', () => calls.total > seen + 50);
      await pause(4000);
    }
  } finally {
    rolling = false;
    await Promise.all(load);
  }
  const failures = [...calls.failures, ...transfers.failures];
  if (failures.length > 0)
    throw new Error(`${failures.length} calls failed: ${failures.slice(0, 5).join('; ')}`);
  const kinds = [...calls.counts].map(([name, count]) => `${count} ${name}`).join(', ');
  return [
    `four containers were replaced one by one under ${calls.total} metadata calls (${kinds}): 0 failed`,
    `${transfers.count} uploads and downloads in the same time: 0 failed`,
  ];
}

/** Without its database the service says so; with it, all is as it was. */
export async function checkDatabaseRestart(stack) {
  const pieces = data(4);
  const id = await upload(stack.url, pieces);
  await stack.stop('database');
  const refused = await until('the service says that it cannot work', async () => {
    const answer = await fetch(`${stack.url}/v2/images`);
    await answer.text();
    return answer.status === 503 ? answer : false;
  });
  await stack.start('database');
  for (const service of [...REGISTRIES, ...APIS]) await stack.ready(service);
  await until(
    'the load balancer lets calls through',
    async () => (await fetch(`${stack.url}/v2/images`)).ok,
  );
  if ((await download(stack.url, id)) !== md5(pieces)) throw new Error('other data came back');
  const again = await upload(stack.url, pieces);
  for (const each of [id, again])
    await fetch(`${stack.url}/v2/images/${each}`, { method: 'DELETE' });
  return [
    `while the database was stopped: ${refused.status}; afterwards the image from before comes back, and uploads work`,
  ];
}

/** @returns what checks later that an image of now is still there */
export async function keepImage(stack) {
  const pieces = data(4);
  const id = await upload(stack.url, pieces);
  return async () => {
    if ((await download(stack.url, id)) !== md5(pieces)) throw new Error('other data came back');
    return 'an image from before comes back as it was sent';
  };
}
