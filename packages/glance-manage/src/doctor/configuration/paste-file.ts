import { existsSync, readFileSync } from 'node:fs';
import { candidatePaths } from '@glance/glance-api';
import { directoriesOf, parseIniSections, type IniSection } from '@glance/service-kit';
import { describeError } from '@glance/common';
import { ignored, note, type Finding } from '../finding';
import { placedInFiles, type Subject } from '../subject';

const FILE_NAME = 'glance-api-paste.ini';
const PIPELINE = 'glance-api';

/** What upstream's filters do is built in, or was for upstream's own use. */
const KNOWN_FILTERS = [
  'cors',
  'healthcheck',
  'http_proxy_to_wsgi',
  'versionnegotiation',
  'osprofiler',
  'unauthenticated-context',
  'authtoken',
  'context',
  'cache',
  'cachemanage',
  'gzip',
  'fakeauth',
];

/** Pipelines are built in: only a filter that an operator has added to his is missed. */
export function checkPasteFile({ api }: Subject): Finding[] {
  const named = placedInFiles(api, 'paste_deploy', 'config_file');
  const where = candidatePaths(named?.text ?? FILE_NAME, directoriesOf(api.files)).find((file) =>
    existsSync(file),
  );
  if (where === undefined) return [];
  let sections: IniSection[];
  try {
    sections = parseIniSections(readFileSync(where, 'utf8'));
  } catch (error) {
    return [
      note(`cannot be read, so filters in it are not known: ${describeError(error)}`, { where }),
    ];
  }
  const flavor = placedInFiles(api, 'paste_deploy', 'flavor')?.text;
  const name = `pipeline:${flavor === undefined ? PIPELINE : `${PIPELINE}-${flavor}`}`;
  const pipeline = sections.find((section) => section.name === name);
  const entry = pipeline?.entries.find((each) => each.name === 'pipeline');
  // The last one is the application.
  const filters =
    entry?.value
      .split(/\s+/)
      .filter((each) => each !== '')
      .slice(0, -1) ?? [];
  const foreign = filters.filter((filter) => !KNOWN_FILTERS.includes(filter));
  return [
    ignored('is not read: pipelines are built in', { where }),
    ...foreign.map((filter) =>
      note(
        `the filter ${filter} of this pipeline does not run here: put what it does into a proxy in front`,
        {
          where: `${where}:${entry?.line ?? 0}`,
          option: `[${name}] pipeline`,
        },
      ),
    ),
  ];
}
