import { API_OPTIONS, apiWarnings, checkApiConfig } from '@glance/glance-api';
import { REGISTRY_OPTIONS } from '@glance/glance-registry';
import { describeError } from '@glance/common';
import { findOption, nearestName, type FileEntry } from '@glance/service-kit';
import { change, ignored, note, ok, type Finding } from '../finding';
import { placedInFiles, type Subject } from '../subject';
import { UPSTREAM_OPTIONS, UPSTREAM_SECTIONS, type UpstreamOption } from './upstream-options';

/** What the entries of glance-api.conf mean to this service, and whether it would start with them. */
export function checkApiFiles({ api, registry }: Subject): Finding[] {
  const { files, problems, entries, config } = api;
  if (files.length === 0) {
    return [
      change('there is no configuration file of glance-api: name it by --config-file', {
        where: '/etc/glance/glance-api.conf',
      }),
    ];
  }
  const findings: Finding[] = files.map((where) => {
    const count = entries.filter(({ file }) => file === where).length;
    return ok(`read, ${count} options are set`, { where });
  });
  for (const entry of entries) {
    if (findOption(api.table, entry.section, entry.name)) continue;
    // Each has a finding of its own, with what else it depends on.
    if (entry.section === 'database' && entry.name === 'connection') continue;
    if (entry.section === 'DEFAULT' && entry.name === 'owner_is_tenant') continue;
    findings.push(meaningOf(entry, Object.keys(api.table), registry));
  }
  findings.push(...withoutEffect(entries));
  // What follows from an option that is wrong would only be confusing.
  if (problems.length > 0) return findings;
  try {
    checkApiConfig(config);
  } catch (error) {
    findings.push(change(`${describeError(error)}: glance-api does not start with it`));
  }
  const warnings = apiWarnings(config).filter(
    (text) => !text.startsWith('metadata_encryption_key'),
  );
  findings.push(...warnings.map((text) => note(text)));
  return findings;
}

/** Files that cannot be read, and values that no option has. */
export function checkApiValues({ api }: Subject): Finding[] {
  return api.problems.map(asProblem);
}

/** Upstream's older releases gave images to users, instead of projects, when it was false. */
export function checkOwners({ api }: Subject): Finding[] {
  const found = placedInFiles(api, 'DEFAULT', 'owner_is_tenant');
  if (found === undefined) return [];
  const place = { where: found.where, option: '[DEFAULT] owner_is_tenant' };
  return ['false', '0', 'no', 'off'].includes(found.text.toLowerCase())
    ? [
        change(
          'owner_is_tenant is false: images of users, and not of projects, are not served as they were; give them to projects in the database first',
          place,
        ),
      ]
    : [ignored('images belong to projects, as it says', place)];
}

/** `file:line: [section] name = value: must be …`, as the loader words it. */
export function asProblem(problem: string): Finding {
  const parts = /^(.+?): (\[[^\]]+\] \w+) = (.*?): (must .*)$/s.exec(problem);
  if (!parts) return change(`${problem}: the service does not start with it`);
  const [, where, option, value = '', rule = ''] = parts;
  return change(`"${value}" ${rule}: the service does not start with it`, { where, option });
}

function meaningOf(
  entry: FileEntry,
  sections: readonly string[],
  registry: Subject['registry'],
): Finding {
  const place = {
    where: `${entry.file}:${entry.line}`,
    option: `[${entry.section}] ${entry.name}`,
  };
  const upstream = upstreamMeaning(entry);
  const ofRegistry = findOption(REGISTRY_OPTIONS, entry.section, entry.name);
  if (ofRegistry) {
    return registry?.originOf(entry.section, ofRegistry.name) === undefined
      ? note('glance-registry has this option: put it into glance-registry.conf', place)
      : ignored('glance-registry.conf says it', place);
  }
  if (upstream) {
    const { verdict, text, values } = upstream;
    const counts = values === undefined || values.includes(entry.value.trim().toLowerCase());
    return { verdict: counts ? verdict : 'ignored', text, ...place };
  }
  if (entry.section === 'database') {
    return ignored('glance-registry alone opens the database, with options of its own', place);
  }
  const known = Object.hasOwn(API_OPTIONS, entry.section);
  const table = known ? API_OPTIONS[entry.section as keyof typeof API_OPTIONS] : {};
  const near = known
    ? nearestName(entry.name, Object.keys(table))
    : nearestName(entry.section, sections);
  return note(
    `there is no such ${known ? 'option' : 'section'}, here or upstream, and it has no effect${near === undefined ? ': take it away' : `; did you mean "${near}"?`}`,
    place,
  );
}

function upstreamMeaning({ section, name }: FileEntry): UpstreamOption | undefined {
  const options = Object.hasOwn(UPSTREAM_OPTIONS, section) ? UPSTREAM_OPTIONS[section] : undefined;
  if (options && Object.hasOwn(options, name)) return options[name];
  if (options) return undefined;
  if (section.startsWith('cors.')) {
    return {
      verdict: 'note',
      text: 'sections [cors.NAME] are not read: list all origins in [cors]',
    };
  }
  return Object.hasOwn(UPSTREAM_SECTIONS, section) ? UPSTREAM_SECTIONS[section] : undefined;
}

/** Options that are there so that an operator's file is taken, and say so in their help. */
function withoutEffect(entries: readonly FileEntry[]): Finding[] {
  return entries.flatMap((entry) => {
    const found = findOption(API_OPTIONS, entry.section, entry.name);
    const why = /^(?:Not needed: |Accepted for compatibility, without effect)(.*)$/s.exec(
      found?.option.help ?? '',
    );
    if (!why || found?.name === 'metadata_encryption_key') return [];
    const text = why[1] === '' || why[1] === '.' ? 'it has no effect here' : (why[1] ?? '');
    return [
      ignored(text.replace(/\.$/, ''), {
        where: `${entry.file}:${entry.line}`,
        option: `[${entry.section}] ${entry.name}`,
      }),
    ];
  });
}
