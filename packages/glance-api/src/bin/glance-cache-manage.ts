import { createInterface } from 'node:readline/promises';
import { runOperatorProgram } from '@glance/service-kit';
import { runCacheManage } from '../manage/run-cache-manage';

/** Nothing, where nobody can answer. */
async function ask(question: string): Promise<string> {
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  const ended = new Promise<string>((resolve) => terminal.once('close', () => resolve('')));
  try {
    return await Promise.race([terminal.question(question), ended]);
  } finally {
    terminal.close();
  }
}

runOperatorProgram((invocation) => runCacheManage({ ...invocation, ask }));
