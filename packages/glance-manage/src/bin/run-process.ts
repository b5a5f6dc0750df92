import { armCommand, type ManageInvocation } from '@glance/service-kit';

/** Makes this process a command for operators, which ends with the exit code of `run`. */
export function runProcess(run: (invocation: ManageInvocation) => Promise<number>): void {
  armCommand(process.env['GLANCE_FAIL_POINTS']);

  // A new SQLite file is not for everybody on the host.
  process.umask(0o027);

  // A reader that has seen enough, such as `head`, does not end the work.
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
    });
  }

  void run({
    argv: process.argv.slice(2),
    env: process.env,
    print: (line) => process.stdout.write(`${line}\n`),
    printError: (line) => process.stderr.write(`${line}\n`),
    isTerminal: process.stderr.isTTY,
  }).then((code) => {
    process.exitCode = code;
  });
}
