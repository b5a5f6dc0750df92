// npm run docs:config            writes the sample files, docs/configuration.md and docs/openapi.json from the sources
// npm run docs:config -- --check  fails when they differ from what is checked in
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { ROOT, ensureBuilt, ensureInstalled } from './workspace.mjs';

ensureInstalled();
ensureBuilt({ all: false });
const require = createRequire(import.meta.url);
const { renderMarkdown, renderSampleFile } = require('@glance/service-kit');
const { API_OPTIONS, openApiDocument, renderPolicySample } = require('@glance/glance-api');
const { REGISTRY_OPTIONS } = require('@glance/glance-registry');

const intro = `# Configuration

Generated from the option tables by \`npm run docs:config\`; do not edit.

Each program reads \`--config-file FILE\` (repeatable; default \`/etc/glance/PROGRAM.conf\`), then environment
variables \`PROGRAM__SECTION__OPTION\` (such as \`GLANCE_API__DEFAULT__BIND_PORT\`), then flags (\`--bind-port\` for
[DEFAULT], \`--database-connection\` for other sections); later ones win. Files have the dialect of oslo.config:
continuation lines, repeated options, \`$other_option\` in values. A bad value stops the start with file, line,
option, value and what is accepted; an unknown option is a warning with the nearest known name.
\`glance-manage db\` reads \`[database]\` of glance-registry's configuration, variables included,
\`glance-manage store\` that of glance-api.

`;
const files = {
  'docs/configuration.md': `${intro}${renderMarkdown('glance-api', API_OPTIONS)}\n${renderMarkdown('glance-registry', REGISTRY_OPTIONS)}`,
  'deploy/etc/glance-api.conf.sample': renderSampleFile('glance-api', API_OPTIONS),
  'deploy/etc/policy.yaml.sample': renderPolicySample(),
  'docs/openapi.json': `${JSON.stringify(openApiDocument(), null, 2)}\n`,
  'deploy/etc/glance-registry.conf.sample': renderSampleFile('glance-registry', REGISTRY_OPTIONS),
};

let stale = 0;
for (const [name, text] of Object.entries(files)) {
  const file = path.join(ROOT, name);
  if (process.argv.includes('--check')) {
    if (current(file) === text) continue;
    console.error(`${name} is not what the sources say: run npm run docs:config`);
    stale += 1;
  } else {
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
}
process.exit(stale === 0 ? 0 : 1);

function current(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}
