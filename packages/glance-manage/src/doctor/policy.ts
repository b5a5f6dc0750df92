import { checkPolicy, readDeclaredProperties } from '@glance/glance-api';
import { describeError } from '@glance/common';
import { directoriesOf } from '@glance/service-kit';
import { change, note, ok, type Finding } from './finding';
import type { Subject } from './subject';

/** Policy files and property protections, as `glance-manage policy check` reads them. */
export async function checkAccessRules({ api }: Subject): Promise<Finding[]> {
  const findings: Finding[] = [];
  const WARNING = 'WARNING: ';
  await checkPolicy([], {
    config: api.config,
    searchDirectories: directoriesOf(api.files),
    print: (line) => findings.push(ok(line)),
    printError: (line) =>
      findings.push(
        line.startsWith(WARNING)
          ? note(`${line.slice(WARNING.length)}: it restricts nobody`)
          : change(`${line}: glance-api does not start with it`),
      ),
  });
  return findings;
}

/** schema-image.json, where there is one. */
export async function checkDeclaredProperties({ api }: Subject): Promise<Finding[]> {
  const { disk_formats, container_formats } = api.config.image_format;
  try {
    const { properties } = await readDeclaredProperties(directoriesOf(api.files), {
      diskFormats: disk_formats,
      containerFormats: container_formats,
    });
    const declared = Object.keys(properties).length;
    return declared === 0 ? [] : [ok(`schema-image.json declares ${declared} properties`)];
  } catch (error) {
    return [change(`${describeError(error)}: glance-api does not start with it`)];
  }
}
