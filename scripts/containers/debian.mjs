// Programs that this check needs, from Debian's packages where they are missing and that is allowed.
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { run, succeeds } from './run.mjs';

/** @throws Error that names the packages, where they cannot be installed */
export async function needPackages(...packages) {
  const missing = [];
  for (const each of packages) {
    if (!(await succeeds('dpkg', ['-s', each]))) missing.push(each);
  }
  if (missing.length === 0) return;
  if (process.getuid() !== 0 || !existsSync('/usr/bin/apt-get')) {
    throw new Error(`install first: ${missing.join(' ')}`);
  }
  console.log(`   installing ${missing.join(' ')}`);
  const options = { env: { DEBIAN_FRONTEND: 'noninteractive' } };
  const apt = ['-qq', '-o', 'DPkg::Lock::Timeout=900'];
  await run('apt-get', [...apt, 'update'], options);
  await run('apt-get', [...apt, 'install', '-y', '--no-install-recommends', ...missing], options);
}

/**
 * Docker Compose 2, which Debian 12 does not have: the program of Debian 13's package, unpacked. It needs nothing but
 * the C library.
 * @returns the program
 */
export async function composeOfDebian13(directory) {
  const program = path.join(directory, 'root/usr/libexec/docker/cli-plugins/docker-compose');
  if (existsSync(program)) return program;
  for (const each of ['sources', 'lists/partial', 'packages', 'root']) {
    mkdirSync(path.join(directory, each), { recursive: true });
  }
  const targets = await run('apt-get', ['indextargets', '--format', '$(REPO_URI) $(RELEASE)']);
  const [mirror] = targets
    .split('\n')
    .map((line) => line.split(' '))
    .filter(([, release]) => release === 'bookworm' || release === 'trixie')
    .map(([uri]) => uri);
  if (mirror === undefined) throw new Error('install Docker Compose 2 (docker compose) first');
  const key = '/usr/share/keyrings/debian-archive-keyring.gpg';
  writeFileSync(
    path.join(directory, 'sources/trixie.list'),
    `deb [signed-by=${key}] ${mirror} trixie main\n`,
  );
  const settings = {
    'Dir::Etc::SourceList': '/dev/null',
    'Dir::Etc::SourceParts': path.join(directory, 'sources'),
    'Dir::State::Lists': path.join(directory, 'lists'),
    'Dir::Cache::pkgcache': '',
    'Dir::Cache::srcpkgcache': '',
    'APT::Sandbox::User': 'root',
  };
  const apt = [
    '-qq',
    ...Object.entries(settings).flatMap(([name, value]) => ['-o', `${name}=${value}`]),
  ];
  const packages = path.join(directory, 'packages');
  await run('apt-get', [...apt, 'update']);
  await run('apt-get', [...apt, 'download', 'docker-compose'], { cwd: packages });
  for (const each of readdirSync(packages)) {
    await run('dpkg-deb', ['-x', path.join(packages, each), path.join(directory, 'root')]);
  }
  return program;
}
