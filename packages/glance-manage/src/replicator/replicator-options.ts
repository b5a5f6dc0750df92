import { parseArgs } from 'node:util';

/** The commands, their arguments and what they do: upstream's (lifecycle sheet §8). */
export const REPLICATOR_COMMANDS = {
  compare: { args: ['FROM', 'TO'], help: 'What is missing from the target, or differs there' },
  dump: { args: ['FROM', 'DIRECTORY'], help: 'Write all images to a directory' },
  livecopy: { args: ['FROM', 'TO'], help: 'Copy all images from one service to another' },
  load: { args: ['TO', 'DIRECTORY'], help: 'Load what was dumped to a directory' },
  size: { args: ['FROM'], help: 'How large the images are together' },
} as const;
export type ReplicatorCommand = keyof typeof REPLICATOR_COMMANDS;

export interface ReplicatorOptions {
  command: ReplicatorCommand;
  /** As many as the command has. */
  args: string[];
  /** Fields of images that are left out of account. */
  ignored: ReadonlySet<string>;
  metadataOnly: boolean;
  sourceToken: string | undefined;
  targetToken: string | undefined;
}

const text = { type: 'string' } as const;

const OPTIONS = {
  chunksize: { ...text, short: 'c' },
  dontreplicate: {
    ...text,
    short: 'D',
    default: 'created_at date deleted_at location updated_at',
  },
  metaonly: { type: 'boolean', short: 'm' },
  token: { ...text, short: 't' },
  sourcetoken: text,
  targettoken: text,
  help: { type: 'boolean', short: 'h' },
} as const;

/** @returns undefined for what is no command: then the usage is shown. @throws Error for a wrong option. */
export function readReplicatorOptions(argv: readonly string[]): ReplicatorOptions | undefined {
  const { values, positionals } = parseArgs({
    args: [...argv],
    options: OPTIONS,
    allowPositionals: true,
  });
  const [name = '', ...args] = positionals;
  if (values.help === true || !isCommand(name)) return undefined;
  if (args.length !== REPLICATOR_COMMANDS[name].args.length) return undefined;
  return {
    command: name,
    args,
    ignored: new Set(values.dontreplicate.split(/\s+/)),
    metadataOnly: values.metaonly === true,
    sourceToken: values.sourcetoken ?? values.token,
    targetToken: values.targettoken ?? values.token,
  };
}

export function replicatorUsage(): string {
  const commands = Object.entries(REPLICATOR_COMMANDS).map(
    ([name, { args, help }]) => `  ${[name, ...args].join(' ').padEnd(24)}${help}`,
  );
  return [
    'usage: glance-replicator [OPTION...] COMMAND ARGUMENT...',
    ...commands,
    'FROM and TO are services with API v1, as HOST:PORT or as URLs.',
    'options:',
    '  -m, --metaonly              Leave the data alone',
    '  -D, --dontreplicate FIELDS  Leave these fields of images out of account',
    `      (${OPTIONS.dontreplicate.default})`,
    '  -t, --token TOKEN           For both services; or --sourcetoken and --targettoken',
    '  -c, --chunksize BYTES       Has no effect',
  ].join('\n');
}

function isCommand(name: string): name is ReplicatorCommand {
  return Object.hasOwn(REPLICATOR_COMMANDS, name);
}
