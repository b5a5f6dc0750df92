#!/usr/bin/env node
'use strict';
require('../dist/bin/glance-cache-pruner.js');
