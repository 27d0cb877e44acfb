'use strict'

const { classes } = require('./errors.js')
const { Graph } = require('./graph.js')
const native = require('./native.js')
const { Plan } = require('./plan.js')
const { Report } = require('./report.js')
const { Run, run, start } = require('./run.js')

module.exports = {
  Graph,
  Plan,
  Report,
  Run,
  run,
  start,
  version: native.version,
  ...classes,
}
