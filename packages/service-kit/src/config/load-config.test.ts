import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { ConfigError, inspectConfig, loadConfig, type ConfigSources } from './load-config';
import {
  booleanOption,
  byteSizeOption,
  integerOption,
  listOption,
  repeatableOption,
  secondsOption,
  textOption,
} from './options';

const TABLE = {
  DEFAULT: {
    bind_host: textOption({ help: '', default: '0.0.0.0' }),
    bind_port: integerOption({ help: '', default: 9292, max: 65_535 }),
    debug: booleanOption({ help: '', default: false }),
    image_size_cap: byteSizeOption({ help: '', default: 10 }),
    state_path: textOption({ help: '' }),
  },
  database: {
    connection: textOption({ help: '', secret: true, deprecatedName: 'sql_connection' }),
  },
  glance_store: {
    stores: listOption({ help: '', default: ['file'], choices: ['file', 'http'] }),
    filesystem_store_datadirs: repeatableOption({ help: '' }),
    filesystem_store_datadir: textOption({ help: '' }),
    timeout: secondsOption({ help: '', default: 1.5 }),
  },
};

describe('loadConfig', () => {
  let directory: string;

  beforeEach(() => {
    directory = mkdtempSync(path.join(os.tmpdir(), 'glance-config-'));
  });

  afterEach(() => {
    rmSync(directory, { recursive: true });
  });

  function file(text: string, name = 'glance-api.conf'): string {
    const target = path.join(directory, name);
    writeFileSync(target, text);
    return target;
  }

  function load(sources: Partial<ConfigSources> = {}) {
    return loadConfig(TABLE, { program: 'glance-api', argv: [], env: {}, ...sources });
  }

  function problemsOf(sources: Partial<ConfigSources>): readonly string[] {
    try {
      load(sources);
    } catch (error) {
      if (error instanceof ConfigError) return error.problems;
      throw error;
    }
    return [];
  }

  it('takes defaults, then files in order, then the environment, then the command line', () => {
    const first = file('[DEFAULT]\nbind_host = a\nbind_port = 1\nimage_size_cap = 2KB\n', 'a.conf');
    const second = file('[DEFAULT]\nbind_port = 2\ndebug = on\n', 'b.conf');
    const { config } = load({
      argv: ['--config-file', first, '--config-file', second, '--bind-port=4'],
      env: { GLANCE_API__DEFAULT__BIND_PORT: '3', GLANCE_API__DATABASE__CONNECTION: 'sqlite://' },
    });
    expect(config.DEFAULT).toEqual({
      bind_host: 'a',
      bind_port: 4,
      debug: true,
      image_size_cap: 2048,
      state_path: undefined,
    });
    expect(config.database.connection).toBe('sqlite://');
    expect(config.glance_store.timeout).toBe(1.5);
  });

  it('reads the dialect of oslo.config', () => {
    const { config } = load({
      argv: [
        '--config-file',
        file(
          [
            'bind_host: "h"',
            '# comment',
            '; comment',
            'state_path = /var/lib/glance',
            '[glance_store]',
            'stores = file,',
            '  http',
            'filesystem_store_datadirs = /a:1',
            'filesystem_store_datadirs = /b:2',
            'filesystem_store_datadir = $state_path/images/${DEFAULT.bind_port}$$',
          ].join('\n'),
        ),
      ],
    });
    expect(config.DEFAULT.bind_host).toBe('h');
    expect(config.glance_store.stores).toEqual(['file', 'http']);
    expect(config.glance_store.filesystem_store_datadirs).toEqual(['/a:1', '/b:2']);
    expect(config.glance_store.filesystem_store_datadir).toBe('/var/lib/glance/images/9292$');
  });

  it.each([
    ['[]', []],
    ['[file, http]', ['file', 'http']],
    [`['file',"http"]`, ['file', 'http']],
    ["'file'", ['file']],
  ])('reads the list %s as upstream does', (text, expected) => {
    const lists = file(`[glance_store]\nstores = ${text}\n`);
    expect(load({ argv: ['--config-file', lists] }).config.glance_store.stores).toEqual(expected);
  });

  it('accepts a deprecated name and collects the values of secrets', () => {
    const { config, secrets } = load({
      argv: ['--config-file', file('[database]\nsql_connection = mysql://u:hunter22@h/d\n')],
    });
    expect(config.database.connection).toBe('mysql://u:hunter22@h/d');
    expect(secrets).toEqual(['mysql://u:hunter22@h/d']);
  });

  it('names file, line, option, value and what is accepted for every bad value at once', () => {
    const bad = file(
      '[DEFAULT]\nbind_port = 99999\ndebug = maybe\n[glance_store]\nstores = tape\n',
    );
    expect(problemsOf({ argv: ['--config-file', bad, '--image-size-cap', '1 furlong'] })).toEqual([
      `${bad}:2: [DEFAULT] bind_port = 99999: must be an integer from 0 to 65535`,
      `${bad}:3: [DEFAULT] debug = maybe: must be true or false`,
      '--image-size-cap: [DEFAULT] image_size_cap = 1 furlong: must be a number of bytes, optionally followed by B, KB, MB, GB or TB',
      `${bad}:5: [glance_store] stores = tape: must be a comma-separated list of: file, http`,
    ]);
  });

  it('refuses flags that do not exist and suggests the one that was meant', () => {
    expect(problemsOf({ argv: ['--bind-prot', '1'] })).toContain(
      '--bind-prot: no such option; did you mean "--bind-port"?',
    );
  });

  it('warns about unknown options and sections without stopping, with the nearest name', () => {
    const odd = file(
      '[DEFAULT]\nbind_prt = 1\nrpc_backend = rabbit\n[oslo_messaging]\na = b\nc = d\n',
    );
    expect(load({ argv: ['--config-file', odd] }).warnings).toEqual([
      `${odd}:2: option [DEFAULT] bind_prt is not known; did you mean "bind_port"?`,
      `${odd}:3: option [DEFAULT] rpc_backend is not known`,
      `${odd}:4: section [oslo_messaging] is not used`.replace(':4:', ':5:'),
    ]);
  });

  it('says which lines of a file are no options', () => {
    const broken = file('[DEFAULT]\nbind_port\ndebug = true\n\n of nothing\n');
    expect(problemsOf({ argv: ['--config-file', broken] })).toEqual([
      `${broken}:2: expected "name = value", found "bind_port"`,
      `${broken}:5: a continuation line without an option above it`,
    ]);
  });

  it('inspects what cannot be used, and says where each value stands', () => {
    const broken = file('[DEFAULT]\nwhat\nbind_port = 1\ndebug = maybe\n[other]\na = b\n');
    const inspected = inspectConfig(TABLE, {
      program: 'glance-api',
      argv: ['--config-file', broken],
      env: { GLANCE_API__DATABASE__CONNECTION: 'sqlite://' },
    });
    const { config, problems, entries, originOf } = inspected;
    expect(problems).toHaveLength(2);
    expect([config.DEFAULT.bind_port, config.DEFAULT.debug]).toEqual([1, false]);
    expect(originOf('DEFAULT', 'bind_port')).toBe(`${broken}:3`);
    expect(originOf('database', 'connection')).toBe('environment GLANCE_API__DATABASE__CONNECTION');
    expect(originOf('DEFAULT', 'bind_host')).toBeUndefined();
    expect(entries.at(-1)).toEqual({
      file: broken,
      section: 'other',
      name: 'a',
      value: 'b',
      line: 6,
    });
  });

  it('refuses a file that is named but missing, and passes over missing default files', () => {
    const missing = path.join(directory, 'none.conf');
    expect(problemsOf({ argv: ['--config-file', missing] })[0]).toContain(missing);
    expect(load({ defaultFiles: [missing] }).files).toEqual([]);
  });

  it('OSSN-0101: cannot be changed after it was loaded', () => {
    const { config } = load();
    expect(() => {
      (config.DEFAULT as { bind_port: number }).bind_port = 1;
    }).toThrow(TypeError);
  });
});
