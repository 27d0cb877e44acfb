'use strict'

// Finds the native half: beside the package when it was built here, else in the package of this platform.

const { join } = require('node:path')

const ABIS = { linux: ['gnu', 'musl'], win32: ['msvc'] }

/** The names that the native half may have here, the likeliest first. */
function targets(platform = process.platform, arch = process.arch) {
  const abis = ABIS[platform]
  return abis ? abis.map((abi) => `${platform}-${arch}-${abi}`) : [`${platform}-${arch}`]
}

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
  const names = targets().join(' or ')
  const why = told.length > 0 ? told.join('; ') : `nothing is built for ${names}`
  throw new Error(`the native half of @orch-engine/orch cannot be loaded: ${why}; with cargo at hand \`npm rebuild @orch-engine/orch\` builds it`)
}

module.exports = load()
