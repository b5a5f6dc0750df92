import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { runClient } from './clients';
import { describeWith } from './installed';
import type { Keystone, Login } from './keystone';
import { PYTHON } from './openstack-client';

/** `describe` where the code of Nova and Cinder is; else skipped, aloud, an error in CI. */
export const describeWithNovaAndCinder = (): jest.Describe =>
  describeWith(
    'Nova and Cinder (python3-nova, python3-cinder)',
    ...([PYTHON, '-c', 'import nova, cinder, keystonemiddleware'] as const),
  );

type Sections = Record<string, string[]>;

/** The installed, unmodified code of a service that keeps its images in Glance. */
export class OpenstackService {
  private constructor(
    private readonly name: 'nova' | 'cinder',
    private readonly keystone: Keystone,
    private readonly directory: string,
  ) {}

  /**
   * Writes its configuration, with a user of its own that vouches for the tokens of users.
   * @param directory for its files
   */
  static async configure(
    name: 'nova' | 'cinder',
    keystone: Keystone,
    directory: string,
    options: Sections = {},
  ): Promise<OpenstackService> {
    await keystone.addUser({ user: name, project: 'service' }, 'service');
    const service = new OpenstackService(name, keystone, directory);
    const auth = keystone.authtokenOf(name);
    const sections = Object.entries({
      keystone_authtoken: auth,
      service_user: [...auth, 'send_service_user_token = true'],
      oslo_concurrency: [`lock_path = ${directory}`],
      ...options,
      DEFAULT: [`state_path = ${directory}`, ...(options['DEFAULT'] ?? [])],
    }).map(([section, lines]) => `[${section}]\n${lines.join('\n')}\n`);
    await writeFile(service.configFile, sections.join(''), { mode: 0o600 });
    return service;
  }

  /**
   * Runs a Python program with the modules of `openstack-services/`.
   * @param users what `contexts.of` knows by these names
   * @param environment what else the program is told
   */
  async run(
    program: string,
    users: Record<string, Login>,
    environment: Record<string, string> = {},
  ): Promise<string> {
    const script = path.join(this.directory, `uses-${this.name}.py`);
    await writeFile(script, program);
    const tokens = await Promise.all(
      Object.entries(users).map(async ([name, login]) => [
        `TOKEN_${name}`,
        await this.keystone.token(login),
      ]),
    );
    const out = await runClient('python3', [script], {
      environment: {
        PYTHONPATH: path.join(__dirname, 'openstack-services'),
        PYTHONDONTWRITEBYTECODE: '1',
        SERVICE_CONF: this.configFile,
        ...(Object.fromEntries(tokens) as Record<string, string>),
        ...environment,
      },
    });
    return out.toString();
  }

  private get configFile(): string {
    return path.join(this.directory, `${this.name}.conf`);
  }
}
