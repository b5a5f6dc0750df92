/** A command of glance-manage, after the old spellings are understood. */
export interface ManageCommand {
  /** Undefined when none is given that exists. */
  name: CommandName | undefined;
  /** Values by name: `--age_in_days 30`, `--age-in-days=30`, or what follows the command in order. */
  values: ReadonlyMap<string, string>;
}

/** The options of each command, in the order in which they may follow it without their names. */
export const COMMAND_VALUES = {
  version: [],
  check: [],
  sync: ['version', 'current_version'],
  upgrade: ['version'],
  expand: [],
  migrate: [],
  contract: [],
  version_control: ['version'],
  purge: ['age_in_days', 'max_rows'],
  purge_images_table: ['age_in_days', 'max_rows'],
  audit_usage: [],
  expire_leases: [],
  encrypt_locations: [],
  load_metadefs: ['path', 'merge', 'prefer_new', 'overwrite'],
  unload_metadefs: [],
  export_metadefs: ['path'],
} as const satisfies Record<string, readonly string[]>;

export type CommandName = keyof typeof COMMAND_VALUES;

export function isCommandName(name: string | undefined): name is CommandName {
  return name !== undefined && Object.hasOwn(COMMAND_VALUES, name);
}

/** Options that say all by being there. As words in their order, any text stands for them. */
const FLAGS: ReadonlySet<string> = new Set(['merge', 'prefer_new', 'overwrite']);

export function isCommandFlag(name: string): boolean {
  return FLAGS.has(name);
}

const VALUE_NAMES: ReadonlySet<string> = new Set(Object.values(COMMAND_VALUES).flat());

/**
 * Takes the options of commands out of the arguments.
 * @returns them and what is left: the options of the program and the words of the command.
 * @throws Error for an option without its value, and a flag with one.
 */
export function takeCommandOptions(argv: readonly string[]): {
  rest: string[];
  values: Map<string, string>;
} {
  const rest: string[] = [];
  const values = new Map<string, string>();
  for (let index = 0; index < argv.length; index += 1) {
    const word = argv[index] ?? '';
    const [, flag = '', given] = /^--([a-z_-]+)(?:=(.*))?$/s.exec(word) ?? [];
    const name = flag.replaceAll('-', '_');
    if (!VALUE_NAMES.has(name)) {
      rest.push(word);
      continue;
    }
    if (isCommandFlag(name)) {
      if (given !== undefined) throw new Error(`${word}: takes no value`);
      values.set(name, 'yes');
      continue;
    }
    const value = given ?? argv[(index += 1)];
    if (value === undefined) throw new Error(`${word}: needs a value`);
    values.set(name, value);
  }
  return { rest, values };
}

/** `db sync …` or, as old scripts have it, `db_sync …`. */
export function readCommand(
  words: readonly string[],
  options: ReadonlyMap<string, string>,
): ManageCommand {
  const [first = '', ...others] = words;
  const isPlain = first === 'db';
  const name = isPlain ? others[0] : first.replace(/^db_/, '');
  if (!(isPlain || first.startsWith('db_')) || !isCommandName(name))
    return { name: undefined, values: options };
  const values = new Map(options);
  const following = isPlain ? others.slice(1) : others;
  COMMAND_VALUES[name].forEach((option, index) => {
    const value = following[index];
    if (value !== undefined && !values.has(option)) values.set(option, value);
  });
  return { name, values };
}
