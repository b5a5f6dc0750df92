import { policyUsage, runPolicyManage, runStoreManage, storeUsage } from '@glance/glance-api';
import { dbUsage, runManage } from '@glance/glance-registry';
import { MANAGE_EXIT, type ManageInvocation } from '@glance/service-kit';

/** What may stand before the command and is not one. */
const FILE_OPTIONS: ReadonlySet<string> = new Set(['--config-file', '--config-dir']);

/**
 * glance-manage as a function: the commands of both services under one name. `db` works on the
 * database, as glance-registry; `store` on the stores and `policy` with the rules, as glance-api.
 * @returns the exit code.
 */
export async function runGlanceManage(invocation: ManageInvocation): Promise<number> {
  const { argv } = invocation;
  const group = argv.find(
    (word, index) =>
      (word === 'store' || word === 'policy' || word === 'db' || word.startsWith('db_')) &&
      !FILE_OPTIONS.has(argv[index - 1] ?? ''),
  );
  if (group === undefined) {
    invocation.printError(`${dbUsage()}\n${storeUsage()}\n${policyUsage()}`);
    return MANAGE_EXIT.usage;
  }
  if (group === 'policy') return await runPolicyManage(invocation);
  return group === 'store' ? await runStoreManage(invocation) : await runManage(invocation);
}
