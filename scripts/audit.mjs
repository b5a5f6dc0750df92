// npm run audit: what is known against the dependencies, and whether they are what we allow.
//   exit code 0  nothing is wrong
//   exit code 1  something is, a line each; scripts/audit-exceptions.json records what was looked at and accepted
//   exit code 2  nothing is wrong here, but the registry's audit endpoint did not answer
//   --root DIR   another checkout than this one
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import {
  advisoriesIn,
  directDependencies,
  documentedDependencies,
  installedPackages,
  isAllowedLicence,
} from './audit/findings.mjs';
import { ROOT } from './workspace.mjs';

const at = process.argv.indexOf('--root');
const root = at === -1 ? ROOT : path.resolve(process.argv[at + 1] ?? '.');
const today = new Date().toISOString().slice(0, 10);

/** `{ package, id, reason, until }`; ids are those of advisories, "install-script" and "licence NAME". */
const exceptions = JSON.parse(
  readFileSync(path.join(root, 'scripts/audit-exceptions.json'), 'utf8'),
);
const problems = [];
const used = new Set();

for (const { package: name, id, reason, until } of exceptions) {
  if (!name || !id || !reason || !/^\d{4}-\d\d-\d\d$/.test(until ?? '')) {
    problems.push(
      `audit-exceptions.json: ${name ?? '?'} ${id ?? '?'} needs package, id, reason and until`,
    );
  }
}

/** A finding counts unless an exception that has not run out is recorded for it. */
function report(name, id, text) {
  const exception = exceptions.find((each) => each.package === name && each.id === id);
  if (exception) used.add(exception);
  if (exception && exception.until >= today) return;
  const hint = exception ? ` (the exception ended on ${exception.until})` : '';
  problems.push(`${name}: ${id}: ${text}${hint}`);
}

for (const { name, version, licence, scripts } of installedPackages(root)) {
  if (!isAllowedLicence(licence)) report(name, `licence ${licence}`, `version ${version}`);
  if (scripts.length > 0) report(name, 'install-script', `version ${version} has ${scripts}`);
}

const documented = documentedDependencies(root);
const direct = directDependencies(root);
for (const name of direct.filter((each) => !documented.includes(each))) {
  problems.push(`${name}: docs/dependencies.md does not say what it is for`);
}
for (const name of documented.filter((each) => !direct.includes(each))) {
  problems.push(`${name}: docs/dependencies.md names it, and no package.json does`);
}

/** The two audits: what runs in production, and everything. */
let silent = false;
const found = new Map();
for (const scope of [['--omit=dev'], []]) {
  const { stdout, error } = spawnSync('npm', ['audit', '--json', ...scope], {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
    timeout: 120_000,
  });
  const advisories = error ? undefined : advisoriesIn(stdout);
  if (advisories === undefined) {
    silent = true;
    continue;
  }
  for (const advisory of advisories) {
    const key = `${advisory.name} ${advisory.id}`;
    const where = scope.length > 0 ? 'in production' : 'in development';
    if (!found.has(key)) found.set(key, { ...advisory, where });
  }
}
for (const { name, id, severity, title, where } of found.values()) {
  if (severity === 'high' || severity === 'critical') {
    report(name, id, `${severity}, ${where}: ${title}`);
  }
}

if (!silent) {
  for (const { package: name, id } of exceptions.filter((each) => !used.has(each))) {
    console.log(`audit-exceptions.json: ${name} ${id} is no longer needed`);
  }
}
for (const problem of problems) console.error(problem);
if (silent) {
  console.error(
    'The audit endpoint of the npm registry did not answer: advisories were not looked at.',
  );
}
process.exitCode = problems.length > 0 ? 1 : silent ? 2 : 0;
