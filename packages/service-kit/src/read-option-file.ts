import { existsSync, readFileSync } from 'node:fs';

/** @throws Error that names the option when its file is missing or cannot be read. */
export function readOptionFile(option: string, file: string): Buffer {
  if (!existsSync(file)) throw new Error(`${option} = ${file}: the file does not exist`);
  try {
    return readFileSync(file);
  } catch (error) {
    throw new Error(`${option} = ${file}: cannot be read`, { cause: error });
  }
}
