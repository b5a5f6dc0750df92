/** Options of each command of `glance-manage store`; those that take a value say so. */
export const STORE_COMMAND_OPTIONS = {
  unfinished: {},
  deletions: {},
  orphans: { delete: 'flag', max_deletes: 'value', force: 'flag' },
} as const satisfies Record<string, Readonly<Record<string, 'flag' | 'value'>>>;

export type StoreCommandName = keyof typeof STORE_COMMAND_OPTIONS;

/** Values by name; a flag's is `true`. */
export type StoreCommandOptions = ReadonlyMap<string, string>;

const OPTION_KINDS: ReadonlyMap<string, 'flag' | 'value'> = new Map(
  Object.values(STORE_COMMAND_OPTIONS).flatMap((options) => Object.entries(options)),
);

/**
 * Takes the options of commands out of the arguments.
 * @returns them and what is left: the options of the configuration and the words of the command.
 * @throws Error for an option without its value, or a flag with one.
 */
export function takeStoreOptions(argv: readonly string[]): {
  rest: string[];
  options: Map<string, string>;
} {
  const rest: string[] = [];
  const options = new Map<string, string>();
  for (let index = 0; index < argv.length; index += 1) {
    const word = argv[index] ?? '';
    const [, written = '', given] = /^--([a-z_-]+)(?:=(.*))?$/s.exec(word) ?? [];
    const name = written.replaceAll('-', '_');
    const kind = OPTION_KINDS.get(name);
    if (kind === undefined) {
      rest.push(word);
      continue;
    }
    if (kind === 'flag' && given !== undefined) throw new Error(`${word}: takes no value`);
    const value = kind === 'flag' ? 'true' : (given ?? argv[(index += 1)]);
    if (value === undefined) throw new Error(`${word}: needs a value`);
    options.set(name, value);
  }
  return { rest, options };
}

/** @returns undefined for words that are no command, and for options of another one. */
export function readStoreCommand(
  words: readonly string[],
  options: StoreCommandOptions,
): StoreCommandName | undefined {
  const [group, name, ...others] = words;
  if (group !== 'store' || name === undefined || others.length > 0) return undefined;
  if (!isStoreCommand(name)) return undefined;
  const known = STORE_COMMAND_OPTIONS[name];
  return [...options.keys()].every((option) => Object.hasOwn(known, option)) ? name : undefined;
}

function isStoreCommand(name: string): name is StoreCommandName {
  return Object.hasOwn(STORE_COMMAND_OPTIONS, name);
}

/** The commands, one a line, as shown to who gives none. */
export function storeUsage(): string {
  const commands = Object.entries(STORE_COMMAND_OPTIONS).map(([name, options]) => {
    const words = Object.entries(options).map(
      ([option, kind]) => ` [--${option.replaceAll('_', '-')}${kind === 'value' ? ' N' : ''}]`,
    );
    return `  glance-manage store ${name}${words.join('')}`;
  });
  return ['usage: glance-manage [--config-file FILE] store COMMAND', ...commands].join('\n');
}
