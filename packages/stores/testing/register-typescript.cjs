'use strict';

// Lets a child process of a test run the sources directly, as jest does: no build is needed.
const Module = require('node:module');
const { readFileSync } = require('node:fs');
const path = require('node:path');
const { transformSync } = require('@swc/core');

const packages = path.resolve(__dirname, '../..');

require.extensions['.ts'] = (module, filename) => {
  const { code } = transformSync(readFileSync(filename, 'utf8'), {
    filename,
    jsc: { target: 'es2022', parser: { syntax: 'typescript' } },
    module: { type: 'commonjs' },
    sourceMaps: 'inline',
  });
  module._compile(code, filename);
};

const resolveFilename = Module._resolveFilename;
Module._resolveFilename = function (request, ...rest) {
  const [, name, subpath = ''] = /^@glance\/([^/]+)(\/.+)?$/.exec(request) ?? [];
  const target = name === undefined ? request : path.join(packages, name, 'src', subpath);
  return resolveFilename.call(this, target, ...rest);
};
