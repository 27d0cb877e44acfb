// Runs that begin in one process and language and go on in another: the examples `resume`, killed and called again.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const examples = join(root, '..', 'examples')
const command = join(examples, 'commands', 'review-all.json')
const python = join(root, '..', '.venv', process.platform === 'win32' ? 'Scripts/python.exe' : 'bin/python')
const inPython = join(examples, 'python', 'resume.py')
let folder

before(() => {
  folder = mkdtempSync(join(tmpdir(), 'orch-across-'))
  mkdirSync(join(folder, 'node_modules', '@orch-engine'), { recursive: true })
  symlinkSync(root, join(folder, 'node_modules', '@orch-engine', 'orch'), 'junction')
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
  copyFileSync(join(examples, 'node', 'resume.mjs'), join(folder, 'resume.mjs'))
})

after(() => rmSync(folder, { recursive: true, force: true }))

function call(program, ...args) {
  const { stdout, stderr, status, signal } = spawnSync(program, args, { encoding: 'utf8', cwd: folder })
  return { stdout, stderr, status, signal }
}

/** How the example goes on in that language; with a victim, the process is killed while that task runs. */
const going = {
  node: (store, victim) => call(process.execPath, 'resume.mjs', store, command, ...(victim ? ['--kill', victim] : [])),
  python: (store, victim) => call(python, inPython, store, command, ...(victim ? ['--kill', victim] : [])),
}

/** What the last process printed: how many tasks were kept, and by whom each was done. */
function told({ stdout, stderr, status }) {
  assert.equal(status, 0, stderr)
  const [head, ...lines] = stdout.trimEnd().split('\n')
  const [, run, kept] = /^run (\S+): kept (\d+)$/.exec(head) ?? assert.fail(stdout)
  return { run, kept: Number(kept), by: Object.fromEntries(lines.map((line) => line.split(': ')).map(([id, value]) => [id, value.split(' by ')[1]])) }
}

const map = ['map-code']
const sides = ['review-quality', 'review-security', 'review-speed', 'review-accessibility', 'review-documents']
const last = ['rank-findings']
const all = (names, by) => Object.fromEntries(names.map((name) => [name, by]))

function check(first, second) {
  const store = `${first}-${second}.db`
  // The process dies while its last task runs: all others are stored by then.
  const killed = going[first](store, 'rank-findings')
  assert.equal(killed.signal, 'SIGKILL', killed.stderr)
  const { run, kept, by } = told(going[second](store))
  assert.equal(kept, 6)
  assert.deepEqual(by, { ...all([...map, ...sides], first), ...all(last, second) })
  // A third process has nothing to do.
  assert.deepEqual(told(going[first](store)), { run, kept: 7, by })
  const report = call(process.execPath, join(root, 'bin', 'orch.js'), 'report', run, '--store', store, '--json')
  assert.equal(report.status, 0, report.stderr)
  const { state, counts } = JSON.parse(report.stdout)
  assert.deepEqual([state, counts.succeeded], ['succeeded', 7])
}

test('a run begins in Node, is killed, and goes on in Node', () => check('node', 'node'))

const noPython = !(existsSync(inPython) && existsSync(python)) && 'the Python package is not built here'
test('a run begins in Python, is killed, and goes on in Node', { skip: noPython }, () => check('python', 'node'))
test('a run begins in Node, is killed, and goes on in Python', { skip: noPython }, () => check('node', 'python'))
