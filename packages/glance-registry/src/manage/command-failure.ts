/** Ends a command with a message and exit code 1, as upstream's `sys.exit(message)`. */
export class CommandFailure extends Error {}
