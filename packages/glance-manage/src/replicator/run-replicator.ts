import { createReadStream, createWriteStream } from 'node:fs';
import { access, mkdir, readFile, readdir, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { MANAGE_EXIT, type ManageInvocation } from '@glance/service-kit';
import {
  readReplicatorOptions,
  replicatorUsage,
  type ReplicatorCommand,
  type ReplicatorOptions,
} from './replicator-options';
import { AlreadyThere, V1Client, differences, type V1Image } from './v1-client';

type Say = Pick<ManageInvocation, 'print' | 'printError'>;
type Run = (options: ReplicatorOptions, say: Say) => Promise<void>;

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const UNITS = ['', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi'];

/**
 * `glance-replicator`: copies images between services by API v1 (lifecycle sheet §8).
 * @returns the exit code
 */
export async function runReplicator({
  argv,
  print,
  printError,
}: ManageInvocation): Promise<number> {
  try {
    const options = readReplicatorOptions(argv);
    if (!options) {
      const wantsHelp = argv.some((word) => ['help', '-h', '--help'].includes(word));
      (wantsHelp ? print : printError)(replicatorUsage());
      return wantsHelp ? MANAGE_EXIT.ok : MANAGE_EXIT.failed;
    }
    await COMMANDS[options.command](options, { print, printError });
    return MANAGE_EXIT.ok;
  } catch (error) {
    printError(`ERROR: ${(error as Error).message}`);
    return MANAGE_EXIT.failed;
  }
}

const COMMANDS: Readonly<Record<ReplicatorCommand, Run>> = {
  size: async ({ args: [from = ''], sourceToken }, { print }) => {
    let bytes = 0;
    let count = 0;
    for await (const image of new V1Client(from, sourceToken).images()) {
      if (image.status !== 'active') continue;
      bytes += image.size;
      count += 1;
    }
    print(`Total size is ${bytes} bytes (${readable(bytes)}) across ${count} images`);
  },

  dump: async ({ args: [from = '', directory = ''], sourceToken, metadataOnly }, { print }) => {
    const source = new V1Client(from, sourceToken);
    await mkdir(directory, { recursive: true, mode: 0o700 });
    for await (const image of source.images()) {
      const file = path.join(directory, image.id);
      // It is written last: with it, all of the image is there.
      if (!UUID.test(image.id) || (await isThere(file))) continue;
      if (image.status === 'active' && !metadataOnly) {
        await pipeline(await source.data(image.id), createWriteStream(`${file}.part`));
        await rename(`${file}.part`, `${file}.img`);
      }
      await writeFile(file, JSON.stringify(image));
      print(`Stored ${describe(image)}`);
    }
  },

  load: async (options, { print, printError }) => {
    const [to = '', directory = ''] = options.args;
    const target = new V1Client(to, options.targetToken);
    const present = await indexOf(target);
    for (const id of (await readdir(directory)).filter((name) => UUID.test(name)).sort()) {
      const file = path.join(directory, id);
      const image = JSON.parse(await readFile(file, 'utf8')) as V1Image;
      const there = present.get(id);
      if (there) await update(target, image, there, options, print);
      else if (!options.metadataOnly && (await isThere(`${file}.img`))) {
        const data = createReadStream(`${file}.img`);
        await add(target, image, options.ignored, data, { print, printError });
      }
    }
  },

  livecopy: async (options, { print, printError }) => {
    const [from = '', to = ''] = options.args;
    const source = new V1Client(from, options.sourceToken);
    const target = new V1Client(to, options.targetToken);
    const present = await indexOf(target);
    for await (const image of source.images()) {
      const there = present.get(image.id);
      if (there?.status === 'active') await update(target, image, there, options, print);
      else if (!there && image.status === 'active' && !options.metadataOnly) {
        const data = await source.data(image.id);
        await add(target, image, options.ignored, data, { print, printError });
      }
    }
  },

  compare: async ({ args: [from = '', to = ''], ignored, ...tokens }, { print }) => {
    const present = await indexOf(new V1Client(to, tokens.targetToken));
    for await (const image of new V1Client(from, tokens.sourceToken).images()) {
      const there = present.get(image.id);
      if (!there) {
        if (image.status !== 'active') continue;
        print(`Image ${describe(image)} entirely missing from the destination`);
        continue;
      }
      for (const { field, source, target } of differences(image, there, ignored)) {
        print(
          `${image.id}: field ${field} differs (source is ${shown(source)}, destination is ${shown(target)})`,
        );
      }
    }
  },
};

async function indexOf(client: V1Client): Promise<Map<string, V1Image>> {
  const found = new Map<string, V1Image>();
  for await (const image of client.images()) found.set(image.id, image);
  return found;
}

async function add(
  target: V1Client,
  image: V1Image,
  ignored: ReadonlySet<string>,
  data: Parameters<V1Client['add']>[2],
  { print, printError }: Say,
): Promise<void> {
  try {
    await target.add(image, ignored, data);
    print(`Copied ${describe(image)}`);
  } catch (error) {
    if (!(error instanceof AlreadyThere)) throw error;
    printError(
      `The image ${image.id} is already present on the target, and not to be seen with this token`,
    );
  } finally {
    data.destroy();
  }
}

async function update(
  target: V1Client,
  image: V1Image,
  there: V1Image,
  { ignored }: ReplicatorOptions,
  print: Say['print'],
): Promise<void> {
  if (differences(image, there, ignored).length === 0) return;
  await target.update(image, ignored);
  print(`Changed what is said of ${describe(image)}`);
}

function describe({ id, name, size }: V1Image): string {
  return `${id} (${name ?? '--unnamed--'}, ${size} bytes)`;
}

function shown(value: unknown): string {
  return value === undefined ? 'undefined' : JSON.stringify(value);
}

function readable(bytes: number): string {
  const power = bytes === 0 ? 0 : Math.min(UNITS.length - 1, Math.floor(Math.log2(bytes) / 10));
  return `${(bytes / 1024 ** power).toFixed(1)} ${UNITS[power]}B`;
}

async function isThere(file: string): Promise<boolean> {
  return await access(file).then(
    () => true,
    () => false,
  );
}
