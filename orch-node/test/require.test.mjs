import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createRequire } from 'node:module'
import { test } from 'node:test'

import * as named from '../js/index.mjs'

const require = createRequire(import.meta.url)

test('the package and the engine are of one version', () => {
  assert.equal(require('..').version(), require('../package.json').version)
})

test('both kinds of modules have the same', () => {
  const common = require('..')
  assert.deepEqual(Object.keys(named).sort(), [...Object.keys(common), 'default'].sort())
  for (const name of Object.keys(common)) assert.equal(named[name], common[name])
  assert.equal(named.default, common)
})

test('requiring it, the native half too, starts no thread', { skip: process.platform !== 'linux' && 'threads are counted in /proc' }, () => {
  const count = "require('node:fs').readdirSync('/proc/self/task').length"
  const source = `const before = ${count}; require('.').version(); console.log(${count} - before)`
  assert.equal(execFileSync(process.execPath, ['-e', source], { cwd: new URL('..', import.meta.url) }).toString(), '0\n')
})

test('the native half is loaded when it is first asked for', () => {
  const loaded = "Object.keys(require.cache).some((file) => file.endsWith('.node'))"
  const source = `const orch = require('.'); console.log(${loaded}); orch.version(); console.log(${loaded})`
  assert.equal(execFileSync(process.execPath, ['-e', source], { cwd: new URL('..', import.meta.url) }).toString(), 'false\ntrue\n')
})
