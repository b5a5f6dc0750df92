import { CONTRACT_VERSION, DomainError, type ContractInfo } from '@glance/common';
import type { CallContext, Registry } from './registry';

/**
 * Asks the registry for its contract version. A service that starts may go on when the registry is
 * not there yet, but not when it speaks another language.
 * @param need what came with a minor version, and which option asks for it.
 * @throws DomainError `registry_refused` when the major versions differ; `registry_unavailable`.
 */
export async function checkContract(
  registry: Registry,
  context: CallContext,
  need?: { minor: number; what: string },
): Promise<ContractInfo> {
  const info = await registry.contract(context);
  if (info.contract.major !== CONTRACT_VERSION.major) {
    throw new DomainError(
      'registry_refused',
      `The image registry (release ${info.release}) speaks version ` +
        `${info.contract.major}.${info.contract.minor} of the internal contract, this service ` +
        `needs ${CONTRACT_VERSION.major}.x: run releases of both that are next to each other.`,
      { details: { registryRelease: info.release, registryMajor: info.contract.major } },
    );
  }
  if (need && info.contract.minor < need.minor) {
    throw new DomainError(
      'registry_refused',
      `The image registry (release ${info.release}) speaks version ` +
        `${info.contract.major}.${info.contract.minor} of the internal contract, ${need.what} ` +
        `needs ${info.contract.major}.${need.minor}: update glance-registry.`,
      { details: { registryRelease: info.release, registryMinor: info.contract.minor } },
    );
  }
  return info;
}
