import {
  DomainError,
  MIB,
  PROJECT_LIMIT_NAMES,
  type ProjectLimitName,
  type ProjectLimits,
} from '@glance/common';
import { KeystoneError, type LimitReader } from '@glance/keystone-client';
import { checkContract, type Registry } from '@glance/registry-client';
import type { Logger } from '@glance/service-kit';
import { serviceContext } from '../auth/call-context';
import type { LimitSource } from './project-limits';

/** What the registry must be able to do when limits travel with calls. */
export const LIMITS_NEED = { minor: 6, what: 'use_keystone_limits' } as const;

export interface KeystoneLimitsOptions {
  reader: Pick<LimitReader, 'limitsOf'>;
  registry: Registry;
  logger: Logger;
}

/**
 * Unified limits: what operators have registered in Keystone for the service, and set for single
 * projects. What is not registered is 0, as upstream has it.
 */
export class KeystoneLimits implements LimitSource {
  private isEnforced: Promise<unknown> | undefined;

  constructor(private readonly options: KeystoneLimitsOptions) {}

  async limitsOf(project: string | null): Promise<ProjectLimits | undefined> {
    if (project === null || project === '') return undefined;
    await this.checkEnforced();
    const known = await this.ask(project);
    const names = Object.keys(PROJECT_LIMIT_NAMES) as ProjectLimitName[];
    return Object.fromEntries(
      names.map((name) => [name, limitFor(name, known.get(PROJECT_LIMIT_NAMES[name]))]),
    );
  }

  private async ask(project: string): Promise<ReadonlyMap<string, number>> {
    const { reader, logger } = this.options;
    try {
      return await reader.limitsOf(project);
    } catch (error) {
      if (!(error instanceof KeystoneError)) throw error;
      if (error.kind === 'unavailable') {
        logger.error(`The limits of a project are not known, Keystone is away: ${error.message}`, {
          project,
        });
        throw new DomainError(
          'identity_unavailable',
          'The identity service cannot be asked for the limits of the project; try again.',
          { cause: error },
        );
      }
      logger.error(
        `The limits of a project are not known; look at [oslo_limit]: ${adviceOn(error)}: ${error.message}`,
        { project },
      );
      throw new DomainError(
        'identity_refused',
        'The limits of the project cannot be read: this service is not set up for it.',
        { cause: error },
      );
    }
  }

  /** An older registry would refuse limits in words that say nothing to an operator. */
  private async checkEnforced(): Promise<void> {
    const context = serviceContext();
    this.isEnforced ??= checkContract(this.options.registry, context, LIMITS_NEED);
    try {
      await this.isEnforced;
    } catch (error) {
      this.isEnforced = undefined;
      throw error;
    }
  }
}

/** -1 is no limit; data is limited in MiB. */
function limitFor(name: ProjectLimitName, limit = 0): number | null {
  if (limit < 0) return null;
  const isOfBytes = name === 'imageSizeTotalBytes' || name === 'imageStageTotalBytes';
  return isOfBytes ? Math.min(limit * MIB, Number.MAX_SAFE_INTEGER) : limit;
}

function adviceOn({ kind }: KeystoneError): string {
  switch (kind) {
    case 'credentials_refused':
      return 'the user or its password is wrong';
    case 'forbidden':
      return 'the user needs the role reader on the system (openstack role add --user USER --system all reader) and system_scope = all';
    case 'not_found':
      return 'endpoint_id, or the other options endpoint_*, must name one endpoint';
    default:
      return 'auth_url must be that of the identity API';
  }
}
