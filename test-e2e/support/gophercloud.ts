import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { describeWith } from './installed';

const run = promisify(execFile);

const PACKAGES = '/usr/share/gocode';
const IMAGE_SERVICE = 'src/github.com/gophercloud/utils/openstack/imageservice';

/** `describe` where Go and gophercloud are; else skipped, aloud, an error in CI. */
export const describeWithGophercloud = (): jest.Describe =>
  describeWith(
    'gophercloud (golang-go, golang-github-gophercloud-gophercloud-dev, golang-github-gophercloud-utils-dev)',
    ...(['sh', '-c', `go version && ls ${PACKAGES}/${IMAGE_SERVICE}`] as const),
  );

/** The program of `gophercloud-client/`, compiled with the installed, unmodified gophercloud. */
export class GophercloudClient {
  private constructor(private readonly directory: string) {}

  static async build(): Promise<GophercloudClient> {
    const directory = await mkdtemp(path.join(os.tmpdir(), 'glance-gophercloud-'));
    const client = new GophercloudClient(directory);
    await run('go', ['build', '-o', client.program, '.'], {
      cwd: path.join(__dirname, 'gophercloud-client'),
      env: {
        PATH: process.env['PATH'],
        CGO_ENABLED: '0',
        GO111MODULE: 'off',
        GOPATH: PACKAGES,
        GOCACHE: path.join(directory, 'cache'),
        HOME: directory,
      },
    });
    return client;
  }

  /** Runs one of its scenarios. @returns its output. @throws Error that names the line that failed. */
  async run(
    scenario: string,
    args: string[],
    environment: Record<string, string>,
  ): Promise<string> {
    const { stdout } = await run(this.program, [scenario, ...args], { env: environment });
    return stdout;
  }

  async remove(): Promise<void> {
    await rm(this.directory, { recursive: true });
  }

  private get program(): string {
    return path.join(this.directory, 'client');
  }
}
