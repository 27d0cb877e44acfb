// As it will be published: the native half in a package of its own for each platform, which the main one finds without building anything.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const require = createRequire(import.meta.url)
const { targets } = require('../js/targets.js')
const here = targets().find((target) => existsSync(join(root, `orch.${target}.node`)))
let folder

before(() => {
  folder = mkdtempSync(join(tmpdir(), 'orch-platform-'))
  const main = join(folder, 'main')
  mkdirSync(main)
  for (const name of ['package.json', 'js', 'bin', 'install.js', 'CHANGELOG.md']) cpSync(join(root, name), join(main, name), { recursive: true })
  const napi = join(root, 'node_modules', '@napi-rs', 'cli', 'dist', 'cli.js')
  execFileSync(process.execPath, [napi, 'create-npm-dirs'], { cwd: main, stdio: 'pipe' })
})

after(() => rmSync(folder, { recursive: true, force: true }))

const manifest = (target) => JSON.parse(readFileSync(join(folder, 'main', 'npm', target, 'package.json'), 'utf8'))

test('there is a package for each platform, which only that platform installs, and by whose name it is looked for', () => {
  const platforms = [
    ['darwin', 'arm64'],
    ['darwin', 'x64'],
    ['linux', 'arm64'],
    ['linux', 'x64'],
    ['win32', 'x64'],
  ]
  const known = new Set(platforms.flatMap((platform) => targets(...platform)))
  const made = readdirSync(join(folder, 'main', 'npm'))
  assert.equal(made.length, 6)
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  for (const target of made) {
    assert.ok(known.has(target), `nobody looks for ${target}`)
    const { name, os, cpu, libc, main, files, version: own } = manifest(target)
    assert.deepEqual([name, own, main, files], [`@orch-engine/orch-${target}`, version, `orch.${target}.node`, [main]])
    const [platform, arch, abi] = target.split('-')
    assert.deepEqual([os, cpu], [[platform], [arch]])
    assert.deepEqual(libc, platform === 'linux' ? [abi === 'gnu' ? 'glibc' : 'musl'] : undefined)
  }
})

test('the main package works with that of the platform, and builds nothing', () => {
  const project = join(folder, 'project')
  mkdirSync(project)
  const env = { ...process.env, npm_config_offline: 'true', npm_config_loglevel: 'error' }
  const options = { encoding: 'utf8', env, shell: process.platform === 'win32' }
  const npm = (cwd, ...args) => execFileSync('npm', [...args, '--no-audit', '--no-fund'], { ...options, cwd })
  const tarball = npm(join(folder, 'main'), 'pack', '--pack-destination', folder).trim().split('\n').at(-1)
  // Where npm would put it.
  const native = join(folder, 'main', 'npm', here)
  symlinkSync(join(root, `orch.${here}.node`), join(native, `orch.${here}.node`))
  const dependencies = { '@orch-engine/orch': `file:../${tarball}` }
  const optionalDependencies = { [`@orch-engine/orch-${here}`]: `file:${native}` }
  writeFileSync(join(project, 'package.json'), JSON.stringify({ name: 'empty', private: true, dependencies, optionalDependencies }))
  npm(project, 'install')
  const installed = join(project, 'node_modules', '@orch-engine')
  assert.ok(!readdirSync(join(installed, 'orch')).some((name) => name.endsWith('.node')), 'it has no native half of its own')
  const source = "const { Graph, run } = require('@orch-engine/orch'); run(new Graph('g').task('a', () => 1)).then((report) => console.log(report.get('a')))"
  assert.equal(execFileSync(process.execPath, ['-e', source], { cwd: project, encoding: 'utf8' }), '1\n')
})
