import { REGISTRY_OPTIONS, checkRegistryConfig, registryWarnings } from '@glance/glance-registry';
import { describeError } from '@glance/common';
import { findOption, nearestName } from '@glance/service-kit';
import { change, ignored, note, ok, type Finding } from '../finding';
import { asProblem } from './api-files';
import { placedInFiles, type InspectedRegistry, type Subject } from '../subject';

/** Whether glance-registry has a configuration, and would start with it. */
export function checkRegistryFiles(subject: Subject): Finding[] {
  const { api, registry, registryFile, connection } = subject;
  const inApi = placedInFiles(api, 'database', 'connection');
  const apiPlace = inApi && { where: inApi.where, option: '[database] connection' };
  if (registry === undefined) {
    const from = connection === undefined ? '' : ` (it stands at ${connection.where})`;
    return [
      change(
        `glance-registry needs this file: write it with [database] connection${from}, and the [service_auth] key of glance-api.conf`,
        { where: registryFile },
      ),
    ];
  }
  const findings = registry.files.map((where): Finding => {
    const count = registry.entries.filter(({ file }) => file === where).length;
    return ok(`read, ${count} options are set`, { where });
  });
  findings.push(...registry.problems.map(asProblem));
  findings.push(...unknownOptions(registry));
  const own = registry.config.database.connection;
  if (own === undefined) {
    const from = inApi === undefined ? '' : `; copy it from ${inApi.where}`;
    findings.push(
      change(`glance-registry does not start without it${from}`, {
        where: registry.files[0],
        option: '[database] connection',
      }),
    );
  } else if (apiPlace) {
    findings.push(
      inApi.text === own
        ? ignored('glance-registry.conf has the same', apiPlace)
        : note('glance-registry.conf names another database, and that one is used', apiPlace),
    );
  }
  if (registry.problems.length > 0 || own === undefined) return findings;
  try {
    checkRegistryConfig(registry.config);
    findings.push(...registryWarnings(registry.config).map((text) => note(text)));
  } catch (error) {
    findings.push(change(`${describeError(error)}: glance-registry does not start with it`));
  }
  return findings;
}

function unknownOptions({ entries, table }: InspectedRegistry): Finding[] {
  return entries
    .filter(({ section, name }) => !findOption(REGISTRY_OPTIONS, section, name))
    .map(({ section, name, file, line }) => {
      const near = nearestName(name, Object.keys(table[section] ?? {}));
      const place = { where: `${file}:${line}`, option: `[${section}] ${name}` };
      return near === undefined
        ? ignored('glance-registry does not use it', place)
        : note(`glance-registry has no such option; did you mean "${near}"?`, place);
    });
}
