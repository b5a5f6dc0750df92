import { writeFileSync } from 'node:fs';
import os from 'node:os';

/**
 * One measured figure beside its target of the design.
 * @param measured a number in the unit of the row.
 * @param atMost,atLeast the target; a row without one is for information.
 * @param details the numbers that the figure was made of.
 */
export function row(what, { measured, unit = 'x', atMost, atLeast, details = {} }) {
  const met =
    atMost !== undefined ? measured <= atMost : atLeast !== undefined ? measured >= atLeast : null;
  const target =
    atMost !== undefined
      ? `<= ${atMost} ${unit}`
      : atLeast !== undefined
        ? `>= ${atLeast} ${unit}`
        : '';
  return { what, measured: `${format(measured)} ${unit}`, target, met, details };
}

/** A row that could not be measured, because a program of this Debian package is not installed. */
export function missing(what, packages) {
  return { what, measured: `missing: install ${packages}`, target: '', met: null, details: {} };
}

export function printTable(rows) {
  const lines = [
    ['what', 'measured', 'target', 'met'],
    ...rows.map(({ what, measured, target, met }) => [
      what,
      measured,
      target,
      met === null ? '-' : met ? 'yes' : 'NO',
    ]),
  ];
  const widths = [0, 1, 2].map((column) => Math.max(...lines.map((line) => line[column].length)));
  for (const line of lines) {
    console.log(line.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  '));
  }
}

export function writeJson(file, options, rows) {
  const machine = {
    cpus: os.cpus().length,
    cpu: os.cpus()[0]?.model,
    memoryBytes: os.totalmem(),
    node: process.version,
  };
  writeFileSync(file, `${JSON.stringify({ date: new Date(), machine, options, rows }, null, 2)}\n`);
}

/** Three digits that say something, none of them in exponents. */
export function format(number) {
  const digits = Math.abs(number) >= 100 ? 0 : Math.abs(number) >= 10 ? 1 : 2;
  return number.toFixed(digits);
}
