import { createHash } from 'node:crypto';
import { readFile, readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { runProgram, type ProgramRun } from './deployment';
import { searchForLeaks } from './leak-gate';
import { dumpTables } from './sql';

export interface DoctorFinding {
  area: string;
  verdict: 'ok' | 'ignored' | 'note' | 'change' | 'failed';
  where: string | null;
  option: string | null;
  text: string;
}

export interface DoctorRun extends ProgramRun {
  /** The lines with one of the findings, without their indentation. */
  lines: string[];
}

/** `glance-manage doctor` with these files, as an operator sees it. */
export async function doctor(
  apiFile: string,
  args: readonly string[] = [],
  env: Record<string, string> = {},
): Promise<DoctorRun> {
  const run = await runProgram('glance-manage', ['--config-file', apiFile, 'doctor', ...args], env);
  searchForLeaks('the report of the doctor', run.out + run.err);
  return {
    ...run,
    lines: run.out
      .split('\n')
      .filter((line) => line.startsWith('  '))
      .map(squeezed),
  };
}

function squeezed(line: string): string {
  return line.trim().replace(/^(\w+) +/, '$1 ');
}

/** Lines of a verdict. */
export function linesOf({ lines }: DoctorRun, verdict: DoctorFinding['verdict']): string[] {
  return lines.filter((line) => line.startsWith(`${verdict} `));
}

/** What an operator has, to be compared. */
export interface Snapshot {
  files: string[];
  tables: Map<string, string>;
}

/**
 * Every file and directory below a directory, with what would tell that somebody changed it, and
 * every row of the database. That of SQLite is a file there; only the memory is left out that its
 * readers share.
 */
export async function snapshot(place: {
  directory: string;
  databaseUrl: string;
}): Promise<Snapshot> {
  const isFile = place.databaseUrl.startsWith('sqlite');
  return {
    files: await listing(place.directory),
    tables: isFile ? new Map<string, string>() : await dumpTables(place),
  };
}

async function listing(directory: string): Promise<string[]> {
  const names = await readdir(directory, { recursive: true });
  const lines = await Promise.all(
    ['.', ...names.filter((name) => !name.endsWith('-shm'))].map(async (name) => {
      const file = path.join(directory, name);
      const found = await stat(file);
      const { mode, uid, gid, ino, size, mtimeMs } = found;
      const about = [name, mode, uid, gid, ino, mtimeMs];
      if (!found.isFile()) return about.join(' ');
      const hash = createHash('md5')
        .update(await readFile(file))
        .digest('hex');
      return [...about, size, hash].join(' ');
    }),
  );
  return lines.sort();
}
