'use strict'

const { classes } = require('./errors.js')
const { Graph } = require('./graph.js')
const { LoadedGraph, load, parse } = require('./load.js')
const native = require('./native.js')
const { Plan } = require('./plan.js')
const { Report } = require('./report.js')
const { Run, resume, run, start } = require('./run.js')

module.exports = {
  Graph,
  LoadedGraph,
  Plan,
  Report,
  Run,
  load,
  parse,
  resume,
  run,
  start,
  version: native.version,
  ...classes,
}

Object.defineProperty(module.exports, 'Store', { enumerable: true, get: () => require('./store.js').Store })

// The classes of the prototype are read when first asked for.
for (const name of require('./compat/names.js')) {
  Object.defineProperty(module.exports, name, { enumerable: true, get: () => require('./compat/index.js')[name] })
}
