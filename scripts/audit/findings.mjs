// What `npm run audit` looks at: advisories, installed packages and the list of direct dependencies.
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';

/** Licences that ask for no more than their text. */
const ALLOWED_LICENCES = new Set([
  '0BSD',
  'Apache-2.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'BlueOak-1.0.0',
  'CC0-1.0',
  'ISC',
  'MIT',
]);
const INSTALL_SCRIPTS = ['preinstall', 'install', 'postinstall'];

/**
 * The advisories in the answer of `npm audit --json`, each once.
 * @returns undefined for an answer that is none.
 */
export function advisoriesIn(text) {
  let report;
  try {
    report = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof report?.vulnerabilities !== 'object' || report.vulnerabilities === null) {
    return undefined;
  }
  const found = new Map();
  for (const { via } of Object.values(report.vulnerabilities)) {
    for (const each of via) {
      // A text is the name of another entry, which has the advisory.
      if (typeof each !== 'object') continue;
      const id = /GHSA-[0-9a-z-]+/i.exec(each.url ?? '')?.[0] ?? String(each.source);
      const { name, severity, title } = each;
      found.set(`${name} ${id}`, { name, id, severity, title });
    }
  }
  return [...found.values()];
}

/** An SPDX expression without exceptions: one side of OR, both sides of AND. */
export function isAllowedLicence(expression) {
  const alternatives = expression.replace(/[()]/g, '').split(' OR ');
  return alternatives.some((each) =>
    each.split(' AND ').every((licence) => ALLOWED_LICENCES.has(licence.trim())),
  );
}

/** Every package below node_modules, those of the workspaces' own included. */
export function installedPackages(root) {
  const found = [];
  visit(path.join(root, 'node_modules'), found);
  for (const workspace of workspacesOf(root)) {
    visit(path.join(root, workspace, 'node_modules'), found);
  }
  return found;
}

function visit(directory, found) {
  if (!existsSync(directory)) return;
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    // Links are our own packages.
    if (!entry.isDirectory() || entry.name.startsWith('.')) continue;
    const inside = path.join(directory, entry.name);
    if (entry.name.startsWith('@')) {
      visit(inside, found);
      continue;
    }
    const file = path.join(inside, 'package.json');
    if (existsSync(file)) found.push(describe(JSON.parse(readFileSync(file, 'utf8'))));
    visit(path.join(inside, 'node_modules'), found);
  }
}

function describe({ name, version, license, licenses, scripts = {} }) {
  // Old packages have a list of { type, url }.
  const old = Array.isArray(licenses) ? licenses.map(({ type }) => type).join(' OR ') : undefined;
  const licence = typeof license === 'string' ? license : (license?.type ?? old ?? 'none');
  return {
    name,
    version,
    licence,
    scripts: INSTALL_SCRIPTS.filter((each) => each in scripts).join(', '),
  };
}

/** What our package.json files name, without our own packages. */
export function directDependencies(root) {
  const files = ['package.json', ...workspacesOf(root).map((each) => `${each}/package.json`)];
  const names = files.flatMap((file) => {
    const { dependencies, devDependencies } = readJson(root, file);
    return Object.keys({ ...dependencies, ...devDependencies });
  });
  return [...new Set(names)].filter((name) => !name.startsWith('@glance/')).sort();
}

/** The names in the first column of the tables of docs/dependencies.md. */
export function documentedDependencies(root) {
  const text = readFileSync(path.join(root, 'docs/dependencies.md'), 'utf8');
  return [...text.matchAll(/^\| `([^`]+)`/gm)].map(([, name]) => name).sort();
}

function workspacesOf(root) {
  return readJson(root, 'package.json').workspaces ?? [];
}

function readJson(root, file) {
  return JSON.parse(readFileSync(path.join(root, file), 'utf8'));
}
