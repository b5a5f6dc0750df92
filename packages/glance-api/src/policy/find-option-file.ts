import { stat } from 'node:fs/promises';
import path from 'node:path';

/** The places where a file or directory that an option names may be. */
export function candidatePaths(name: string, directories: readonly string[]): string[] {
  if (path.isAbsolute(name)) return [name];
  return directories.map((directory) => path.join(directory, name));
}

/** The first path with something at it. */
export async function firstFile(candidates: readonly string[]): Promise<string | undefined> {
  for (const candidate of candidates) {
    try {
      await stat(candidate);
      return candidate;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }
  return undefined;
}

/**
 * The file that an option names, as upstream looks for it: relative names beside the configuration
 * files, else from the working directory.
 * @throws Error that names the option when there is no such file.
 */
export async function findOptionFile(
  option: string,
  name: string,
  directories: readonly string[],
): Promise<string> {
  const candidates = candidatePaths(name, [...directories, process.cwd()]);
  const found = await firstFile(candidates);
  if (found === undefined) {
    throw new Error(`${option} = ${name}: there is no file ${candidates.join(' or ')}`);
  }
  return found;
}
