import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { test } from 'node:test'

const require = createRequire(import.meta.url)

test('the package and the engine are of one version', () => {
  assert.equal(require('..').version(), require('../package.json').version)
})
