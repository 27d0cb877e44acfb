'use strict'

const ABIS = { linux: ['gnu', 'musl'], win32: ['msvc'] }

/** The names that the native half may have on a platform, the likeliest first. */
function targets(platform = process.platform, arch = process.arch) {
  const abis = ABIS[platform]
  return abis ? abis.map((abi) => `${platform}-${arch}-${abi}`) : [`${platform}-${arch}`]
}

module.exports = { targets }
