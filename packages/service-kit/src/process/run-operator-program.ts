import { armCommand, type ManageInvocation } from './manage-invocation';

/**
 * The main function of a program that an operator runs and that ends by itself.
 * @param run resolves with the exit code.
 */
export function runOperatorProgram(run: (invocation: ManageInvocation) => Promise<number>): void {
  // eslint-disable-next-line no-restricted-properties -- this is the main function of programs
  const { env } = process;
  armCommand(env['GLANCE_FAIL_POINTS']);
  // What it writes is not for everybody on the host.
  process.umask(0o027);
  // A reader that has seen enough, such as `head`, does not end the work.
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
    });
  }
  void run({
    argv: process.argv.slice(2),
    env,
    print: (line) => process.stdout.write(`${line}\n`),
    printError: (line) => process.stderr.write(`${line}\n`),
    isTerminal: process.stderr.isTTY,
  }).then((code) => {
    process.exitCode = code;
  });
}
