'use strict'

// Finds the native half: beside the package when it was built here, else in the package of this platform.

const { join } = require('node:path')

const { targets } = require('./targets.js')

function load() {
  const told = []
  for (const target of targets()) {
    for (const file of [join(__dirname, '..', `orch.${target}.node`), `@orch-engine/orch-${target}`]) {
      try {
        return require(file)
      } catch (error) {
        if (error.code !== 'MODULE_NOT_FOUND') told.push(`${file}: ${error.message}`)
      }
    }
  }
  const why = told.length > 0 ? told.join('; ') : `there is none for ${targets().join(' or ')}`
  const what = 'in its folder of the repository, with cargo at hand, `npm install` builds it'
  throw new Error(`the native half of @orch-engine/orch cannot be loaded: ${why}; ${what}`)
}

module.exports = load()
