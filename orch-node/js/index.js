'use strict'

const { classes } = require('./errors.js')
const { Graph } = require('./graph.js')
const native = require('./native.js')
const { Run, resume, run, start } = require('./run.js')

module.exports = { Graph, Run, resume, run, start, version: native.version, ...classes }

/** What is read when it is first asked for, since each file takes its part of a millisecond; the prototype's classes take several. */
const later = {
  Ledger: './money.js',
  LoadedGraph: './load.js',
  Notices: './notices.js',
  Plan: './plan.js',
  Prices: './money.js',
  Report: './report.js',
  Store: './store.js',
  load: './load.js',
  parse: './load.js',
  usage: './money.js',
}
for (const name of require('./compat/names.js')) later[name] = './compat/index.js'
for (const [name, file] of Object.entries(later)) {
  Object.defineProperty(module.exports, name, { enumerable: true, get: () => require(file)[name] })
}
