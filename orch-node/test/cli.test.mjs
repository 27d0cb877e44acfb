import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createRequire } from 'node:module'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const { bin, version } = createRequire(import.meta.url)('../package.json')
const script = fileURLToPath(new URL(`../${bin.orch}`, import.meta.url))
const commands = fileURLToPath(new URL('../../examples/commands/', import.meta.url))

function orch(...args) {
  const { stdout, stderr, status } = spawnSync(process.execPath, [script, ...args], { encoding: 'utf8' })
  return { stdout, stderr, status }
}

test('the version is that of the package', () => {
  assert.deepEqual(orch('--version'), { stdout: `orch ${version}\n`, stderr: '', status: 0 })
})

test('exit codes and streams are those of the command', () => {
  const missing = orch('plan', 'missing.json')
  assert.deepEqual([missing.status, missing.stdout], [2, ''])
  assert.match(missing.stderr, /there is no file `missing.json`/)
  const plan = orch('plan', '--json', `${commands}review-all.json`)
  assert.deepEqual([plan.status, JSON.parse(plan.stdout).version], [0, 1])
})

test('a run that fails says so', () => {
  const done = orch('run', `${commands}review-all.json`, '--agent', '*=false')
  assert.equal(done.status, 1, done.stderr)
})
