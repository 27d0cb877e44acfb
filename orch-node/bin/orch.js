#!/usr/bin/env node
'use strict'

const { cli } = require('../js/native.js')

// Signals end a program in the way of the command, as they would without Node.
process.exitCode = cli(['orch', ...process.argv.slice(2)])
