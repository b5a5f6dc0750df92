import { cp, mkdir, readFile, readdir, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { ROOT } from './deployment';

/** What this release adds to the tables: one migration of each phase. */
const LATER = ['idOrderIndexes', 'locationStoreKey', 'contractHead'];
const MIGRATIONS = 'packages/glance-registry/dist/db/migrations/index.js';

/**
 * Installs a release whose tables lack what some migrations of this one do, and which knows nothing
 * of these: this one's programs with a shorter list of migrations.
 */
export async function installEarlierRelease(directory: string): Promise<void> {
  await mkdir(path.join(directory, 'node_modules/@glance'), { recursive: true });
  for (const name of await readdir(path.join(ROOT, 'packages'))) {
    const to = path.join(directory, 'packages', name);
    for (const part of ['bin', 'dist', 'package.json', 'node_modules']) {
      await cp(path.join(ROOT, 'packages', name, part), path.join(to, part), {
        recursive: true,
        verbatimSymlinks: true,
      }).catch(passOverMissing);
    }
    await symlink(to, path.join(directory, 'node_modules/@glance', name));
  }
  for (const name of await readdir(path.join(ROOT, 'node_modules'))) {
    if (name === '@glance' || name === '.bin') continue;
    const modules = path.join(directory, 'node_modules');
    await symlink(path.join(ROOT, 'node_modules', name), path.join(modules, name));
  }
  await cp(path.join(ROOT, 'node_modules/.bin'), path.join(directory, 'node_modules/.bin'), {
    recursive: true,
    verbatimSymlinks: true,
  });
  await symlink(path.join(ROOT, 'deploy'), path.join(directory, 'deploy'));
  const file = path.join(directory, MIGRATIONS);
  let list = await readFile(file, 'utf8');
  for (const name of LATER) {
    const shorter = list.replace(new RegExp(`^ +\\w+\\.${name},\\n`, 'm'), '');
    if (shorter === list) throw new Error(`${MIGRATIONS} has no ${name}`);
    list = shorter;
  }
  await writeFile(file, list);
}

function passOverMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error;
}
