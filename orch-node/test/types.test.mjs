import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

test('the types are as promised, strictly', () => {
  const config = fileURLToPath(new URL('tsconfig.json', import.meta.url))
  const tsc = fileURLToPath(new URL('../node_modules/typescript/bin/tsc', import.meta.url))
  const { stdout, status } = spawnSync(process.execPath, [tsc, '-p', config], { encoding: 'utf8' })
  assert.equal(stdout, '')
  assert.equal(status, 0)
})
