'use strict'

const { classes } = require('./errors.js')

/**
 * What is read when it is first asked for, since each file takes its part of a millisecond, the native half two, and the
 * prototype's classes several.
 */
const later = {
  Graph: './graph.js',
  Ledger: './money.js',
  LoadedGraph: './load.js',
  Notices: './notices.js',
  Plan: './plan.js',
  Prices: './money.js',
  Report: './report.js',
  Run: './run.js',
  Store: './store.js',
  load: './load.js',
  parse: './load.js',
  resume: './run.js',
  run: './run.js',
  start: './run.js',
  usage: './money.js',
  version: './native.js',
}
for (const name of require('./compat/names.js')) later[name] = './compat/index.js'

module.exports = { ...classes }
for (const [name, file] of Object.entries(later)) {
  let found
  // To ask `require` again takes as long as ten tasks.
  Object.defineProperty(module.exports, name, { enumerable: true, get: () => (found ??= require(file)[name]) })
}
