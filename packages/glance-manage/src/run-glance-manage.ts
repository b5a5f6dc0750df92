import {
  imagesUsage,
  policyUsage,
  runImagesManage,
  runPolicyManage,
  runStoreManage,
  storeUsage,
} from '@glance/glance-api';
import { dbUsage, runManage } from '@glance/glance-registry';
import { MANAGE_EXIT, type ManageInvocation } from '@glance/service-kit';
import { doctorUsage, runDoctor } from './doctor/run-doctor';

/** What may stand before the command and is not one. */
const FILE_OPTIONS: ReadonlySet<string> = new Set([
  '--config-file',
  '--config-dir',
  '--registry-config-file',
]);

/** The commands of both services, by the word that begins them. */
const GROUPS = {
  db: runManage,
  images: runImagesManage,
  store: runStoreManage,
  policy: runPolicyManage,
  doctor: runDoctor,
} as const satisfies Record<string, (invocation: ManageInvocation) => Promise<number>>;

/**
 * glance-manage as a function: the commands of both services under one name. `db` works on the
 * database, as glance-registry; `images` on images, `store` on the stores and `policy` with the
 * rules, as glance-api; `doctor` looks at all of it.
 * @returns the exit code.
 */
export async function runGlanceManage(invocation: ManageInvocation): Promise<number> {
  const { argv } = invocation;
  const word = argv.find(
    (each, index) => isGroup(plain(each)) && !FILE_OPTIONS.has(argv[index - 1] ?? ''),
  );
  const group = plain(word ?? '');
  if (isGroup(group)) return await GROUPS[group](invocation);
  const usages = [dbUsage(), imagesUsage(), storeUsage(), policyUsage(), doctorUsage()];
  invocation.printError(usages.join('\n'));
  return MANAGE_EXIT.usage;
}

/** `db_sync` is one of the group `db`. */
function plain(word: string): string {
  return word.startsWith('db_') ? 'db' : word;
}

function isGroup(word: string): word is keyof typeof GROUPS {
  return Object.hasOwn(GROUPS, word);
}
