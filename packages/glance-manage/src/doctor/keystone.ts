import { authFlavor, connectKeystone, RELEASE, type KeystoneAccess } from '@glance/glance-api';
import { describeError } from '@glance/common';
import { silentLogger } from '@glance/service-kit';
import { change, ok, type Finding } from './finding';
import type { Subject } from './subject';

/** Whether the identity service answers, and takes the users of the configuration for its own. */
export async function checkKeystone({ api }: Subject): Promise<Finding[]> {
  const { config, originOf } = api;
  const findings: Finding[] = [];
  if (authFlavor(config) === 'keystone') {
    const where = originOf('keystone_authtoken', 'auth_url');
    findings.push(await logIn('keystone_authtoken', config.keystone_authtoken, where));
  }
  if (config.DEFAULT.use_keystone_limits) {
    findings.push(await logIn('oslo_limit', config.oslo_limit, originOf('oslo_limit', 'auth_url')));
  }
  return findings;
}

async function logIn(
  section: string,
  access: KeystoneAccess,
  where: string | undefined,
): Promise<Finding> {
  const place = { where, option: `[${section}] auth_url` };
  try {
    const { session } = connectKeystone(section, access, {
      logger: silentLogger,
      release: RELEASE,
    });
    try {
      await session.access();
      return ok(`${access.auth_url ?? ''} gives the user of this service a token`, place);
    } finally {
      session.close();
    }
  } catch (error) {
    return change(
      `no token for the user of this service, so every request of users would be refused: ${describeError(error)}`,
      place,
    );
  }
}
