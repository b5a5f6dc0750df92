#!/usr/bin/env node
'use strict';
// A file or a name server that hangs holds one of libuv's threads: four would stop the service.
process.env.UV_THREADPOOL_SIZE ??= '64';
require('../dist/bin/glance-registry.js');
