'use strict'

// Runs when the package is installed: builds the native half with cargo where none is there for this platform.

const { spawnSync } = require('node:child_process')
const { copyFileSync, existsSync } = require('node:fs')
const { join } = require('node:path')

const { targets } = require('./js/targets.js')

function isThere() {
  try {
    require('./js/native.js')
    return true
  } catch {
    return false
  }
}

function fail(message) {
  console.error(`@orch-engine/orch: ${message}`)
  process.exit(1)
}

/** Which of the names is this machine's: on Linux it depends on the C library. */
function target() {
  const [first, ...others] = targets()
  const isMusl = process.platform === 'linux' && process.report.getReport().header.glibcVersionRuntime === undefined
  return isMusl ? others[0] : first
}

if (!isThere()) {
  const manifest = join(__dirname, 'Cargo.toml')
  if (!existsSync(join(__dirname, '..', 'orch-core', 'Cargo.toml'))) {
    fail(`no binary for ${target()} is in this package, nor its sources; install one of the platform packages, or build from the repository`)
  }
  console.error('@orch-engine/orch: building the native half with cargo, which takes some minutes')
  const args = ['build', '--profile', 'wheel', '--manifest-path', manifest, '--message-format', 'json-render-diagnostics']
  const built = spawnSync('cargo', args, { stdio: ['ignore', 'pipe', 'inherit'], encoding: 'utf8', maxBuffer: 2 ** 28 })
  if (built.error?.code === 'ENOENT') fail('cargo is missing; install Rust with rustup, https://rustup.rs')
  if (built.status !== 0) fail('cargo could not build the native half')
  const library = built.stdout
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line))
    .find((told) => told.reason === 'compiler-artifact' && told.target.name === 'orch_node' && told.target.kind.includes('cdylib'))
  const file = library?.filenames.find((name) => /\.(so|dylib|dll)$/.test(name))
  if (file === undefined) fail('cargo did not say where the native half is')
  copyFileSync(file, join(__dirname, `orch.${target()}.node`))
  if (!isThere()) fail('the native half was built, and cannot be loaded')
}
