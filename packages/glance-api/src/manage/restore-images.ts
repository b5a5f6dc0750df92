import { describeError, isCanonicalUuid } from '@glance/common';
import type { ManageInvocation } from '@glance/service-kit';
import { withRegistry, type ApiTools } from './with-registry';

/**
 * `glance-manage images …` as a function.
 * @returns the exit code.
 */
export async function runImagesManage(invocation: ManageInvocation): Promise<number> {
  return await withRegistry(invocation, (argv) => ({
    rest: argv,
    usage: imagesUsage,
    command: ([group, name, ...ids]) =>
      group === 'images' && name === 'restore' && ids.length > 0
        ? (tools) => restoreImages(ids, tools, invocation)
        : undefined,
  }));
}

export function imagesUsage(): string {
  return 'usage: glance-manage [--config-file FILE] images COMMAND\n  glance-manage images restore ID…';
}

/** Each of them that can be; the log says which cannot, and why. */
export async function restoreImages(
  ids: readonly string[],
  { registry, context, log }: ApiTools,
  { print }: Pick<ManageInvocation, 'print'>,
): Promise<void> {
  for (const id of ids) {
    const imageId = id.toLowerCase();
    if (!isCanonicalUuid(imageId)) {
      log.error(`${id} is not the id of an image`);
      continue;
    }
    try {
      const { status, name } = await registry.restoreImage(imageId, context);
      print(`Restored image ${imageId}${name === null ? '' : ` (${name})`}: it is ${status}.`);
    } catch (error) {
      log.error(`Image ${imageId} cannot be restored: ${describeError(error)}`);
    }
  }
}
