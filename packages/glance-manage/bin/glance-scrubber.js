#!/usr/bin/env node
'use strict';
// As for glance-api: a file that hangs must not stop everything else.
process.env.UV_THREADPOOL_SIZE ??= '64';
require('../dist/bin/glance-scrubber.js');
