#!/usr/bin/env node
'use strict';
require('../dist/bin/glance-replicator.js');
