import { describeError } from '@glance/common';
import { readServiceKeys } from '@glance/service-kit';
import { change, note, ok, type Finding } from '../finding';
import type { Subject } from '../subject';

type Keys = readonly string[] | Finding;

/** Whether glance-api shows a key that glance-registry believes. */
export function checkServiceKeys({ api, registry }: Subject): Finding[] {
  const apiPlace = { where: api.files[0], option: '[service_auth] key' };
  const shown = keysOf(api.config.service_auth, apiPlace);
  const place = { where: registry?.files[0], option: '[service_auth] key' };
  const accepted = registry ? keysOf(registry.config.service_auth, place) : [];
  const findings = [shown, accepted].filter((each): each is Finding => !Array.isArray(each));
  if (findings.length > 0 || !Array.isArray(shown) || !Array.isArray(accepted)) return findings;
  const [first] = shown as readonly string[];
  const usesCertificates = api.config.DEFAULT.registry_client_cert_file !== undefined;
  if (first === undefined) {
    if (usesCertificates) return [];
    return accepted.length > 0
      ? [change('glance-registry.conf has a key: write the same into glance-api.conf', apiPlace)]
      : [
          note(
            'no key is set: both services must run on one host; openssl rand -hex 32 makes one, which both files must have',
            apiPlace,
          ),
        ];
  }
  if (registry === undefined) return [];
  return accepted.includes(first)
    ? [ok('both files have the same key', apiPlace)]
    : [change('glance-registry.conf does not have the key that stands first here', apiPlace)];
}

function keysOf(
  options: Parameters<typeof readServiceKeys>[0],
  place: { where: string | undefined; option: string },
): Keys {
  try {
    return readServiceKeys(options);
  } catch (error) {
    return change(describeError(error), place);
  }
}
