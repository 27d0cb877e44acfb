// Eight processes of four threads, in Python, Node and Rust, on one store, some of which are killed: of all of them one makes each value,
// and one holds each lease. What they do, they write to one file, where the place of a line is its time. Then the file is read as what
// happened to a small model of a key or a lease: each step must be one that the model allows.
//
// `ORCH_HISTORY_SECONDS=60 node --test test/history.test.mjs` goes on for so long, kills more, and prints the figures.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

import { Store } from '../js/index.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const aids = fileURLToPath(new URL('aids', import.meta.url))
const bin = join(root, 'bin', 'orch.js')
const python = process.env.ORCH_PYTHON ?? join(root, '..', '.venv', process.platform === 'win32' ? 'Scripts/python.exe' : 'bin/python')

const SEATS = ['python', 'node', 'rust', 'python', 'node', 'rust', 'python', 'node']
const KEYS = 8

/** A value that is made once, by one at a time; whoever was killed may have to be followed by another. */
class Key {
  maker = undefined
  made = undefined
  begun = 0
  followed = 0
  /** What processes got that were killed: from their own memory. */
  begin(by, dead) {
    this.begun++
    if (this.maker !== undefined) {
      assert.ok(dead.has(processOf(this.maker)), `${by} makes what ${this.maker} ${this.made === undefined ? 'is making' : 'has made'}`)
      this.followed++
    }
    this.maker = by
    this.made = undefined
  }
  end(by, value) {
    assert.equal(by, this.maker, 'only its maker makes it')
    this.made = value
  }
  got(by, value, dead) {
    if (value === this.made) return
    // What a process made that was killed, only its own threads had.
    const own = value.split('@')[1]
    assert.ok(processOf(own) === processOf(by) && dead.has(processOf(by)), `${by} got ${value}, which is ${this.made}`)
  }
}

/** What one has at a time, each with a greater fence than those before. */
class Lease {
  holder = undefined
  fence = 0
  held = 0
  lost = 0
  hold(by, fence, dead) {
    this.held++
    if (this.holder !== undefined) {
      assert.ok(dead.has(processOf(this.holder)), `${by} holds what ${this.holder} has`)
      this.lost++
    }
    assert.ok(fence > this.fence, `fence ${fence} after ${this.fence}`)
    this.holder = by
    this.fence = fence
  }
  free(by) {
    assert.equal(this.holder, by)
    this.holder = undefined
  }
}

const processOf = (thread) => thread.split('.')[0]

/** Reads a history; throws at the first line that cannot have happened. */
function check(lines) {
  const [keys, leases, dead] = [new Map(), new Map(), new Set()]
  const of = (map, name, Model) => map.get(name) ?? (map.set(name, new Model()), map.get(name))
  for (const [at, line] of lines.entries()) {
    const [word, by, name, rest] = line.split(' ')
    try {
      if (word === 'begin') of(keys, name, Key).begin(by, dead)
      else if (word === 'end') of(keys, name, Key).end(by, rest)
      else if (word === 'got') of(keys, name, Key).got(by, rest, dead)
      else if (word === 'hold') of(leases, name, Lease).hold(by, Number(rest), dead)
      else if (word === 'free') of(leases, name, Lease).free(by)
      else if (word === 'die') dead.add(processOf(by))
      else assert.equal(word, 'round')
    } catch (error) {
      error.message = `line ${at + 1}, ${name}: ${error.message}`
      throw error
    }
  }
  return { keys: [...keys.values()], leases: [...leases.values()], dead }
}

test('a history that cannot have happened is found', () => {
  const good = ['begin 1.1 k', 'hold 1.2 a 5', 'end 1.1 k v@1.1', 'got 1.1 k v@1.1', 'free 1.2 a', 'hold 2.1 a 6', 'got 2.2 k v@1.1', 'free 2.1 a']
  const { keys, leases } = check(good)
  assert.deepEqual([keys[0].begun, leases[0].held], [1, 2])
  const bad = {
    'made twice': [...good, 'begin 3.1 k', 'end 3.1 k w@3.1'],
    'made by two at once': ['begin 3.1 k', ...good],
    'another value': [...good, 'got 3.1 k w@3.1'],
    'before it was made': ['begin 1.1 k', 'got 2.1 k v@1.1', 'end 1.1 k v@1.1'],
    'held by two': ['hold 3.1 a 1', ...good],
    'a fence that was there before': [...good, 'hold 3.1 a 6'],
    'a fence that sinks': [...good, 'hold 3.1 a 4'],
    'given back by another': ['hold 1.1 a 1', 'free 2.1 a'],
  }
  for (const [what, lines] of Object.entries(bad)) assert.throws(() => check(lines), assert.AssertionError, what)
  // Only death excuses.
  check(['begin 3.1 k', 'die 3.1', ...good])
  check(['hold 3.1 a 1', 'die 3.4', ...good])
  check(['begin 3.1 k', 'end 3.1 k v@3.1', 'die 3.2', 'got 3.4 k v@3.1', ...good])
  assert.throws(() => check(['begin 3.1 k', ...good, 'die 3.1']), assert.AssertionError)
  assert.throws(() => check(['begin 3.1 k', 'end 3.1 k v@3.1', 'die 3.2', ...good, 'got 2.4 k v@3.1']), assert.AssertionError)
})

/** What is done in a round, as files: only its values, only its leases, and both. */
function writeRound(folder, nth) {
  const makers = Array.from({ length: KEYS }, (_, key) => ({
    id: `key${nth}x${key}`,
    agentId: 'maker',
    task: `Make ${key} of ${nth}`,
    context: { outputs: [{ key: `value${nth}x${key}`, ttl: 3600 }] },
  }))
  const holders = ['a', 'b', 'ab'].map((leases) => ({
    id: `hold-${leases}`,
    agentId: 'holder',
    task: `Hold ${leases}`,
    resources: { locks: [...leases].map((resource) => ({ resource, type: 'exclusive' })) },
  }))
  for (const [part, agents] of Object.entries({ keys: makers, leases: holders, both: [...holders, ...makers] })) {
    const phases = [{ id: 'all', name: 'All', agents }]
    const definition = { version: '2.0.0', name: `/${part}`, description: part, phases }
    writeFileSync(join(folder, `${part}-${nth}.json`), JSON.stringify(definition))
  }
}

/** The same agents for the command, in shell. The process that asks for its death is the one that runs it. */
const agents = (victim) => `
[agents.maker]
argv = ["sh", "-c", '''
echo "begin $PPID.0 $ORCH_TASK_ID" >> log
if [ ${victim} = make ]; then echo "die $PPID.0" >> log; kill -9 $PPID; exec sleep 60; fi
echo "end $PPID.0 $ORCH_TASK_ID $ORCH_TASK_ID@$PPID.0" >> log
printf %s "$ORCH_TASK_ID@$PPID.0"
''']

[agents.holder]
argv = ["sh", "-c", '''
leases=$(echo "\${ORCH_TASK_ID#hold-}" | sed 's/./& /g')
for lease in $leases; do echo "hold $PPID.0 $lease $ORCH_FENCE" >> log; done
if [ ${victim} = hold ]; then echo "die $PPID.0" >> log; kill -9 $PPID; exec sleep 60; fi
for lease in $leases; do echo "free $PPID.0 $lease" >> log; done
''']
`

/** Runs a process to its end: how it ended, and what it printed. */
function ends(command, args, options) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options })
    let [stdout, stderr] = ['', '']
    child.stdout.on('data', (text) => (stdout += text))
    child.stderr.on('data', (text) => (stderr += text))
    child.on('error', reject)
    child.on('close', (code, signal) => {
      if (code === 0 || signal === 'SIGKILL') resolve({ pid: child.pid, killed: signal === 'SIGKILL', stdout })
      else reject(new Error(`${command} ended with ${code ?? signal}: ${stderr}`))
    })
  })
}

/** All eight, to the last round or until the time is over. */
async function work(folder, rounds, seconds) {
  const stop = join(folder, 'stop')
  const log = join(folder, 'log')
  const timer = seconds > 0 ? setTimeout(() => writeFileSync(stop, ''), seconds * 1000) : undefined
  let seed = 7
  const random = (end) => (seed = (seed * 48271) % 2147483647) % end
  const killed = { python: 0, node: 0, rust: 0 }
  const reached = (pid) => Math.max(0, ...readFileSync(log, 'utf8').split('\n').filter((line) => line.startsWith(`round ${pid}.`)).map((line) => Number(line.split(' ')[2])))
  async function seat(language, place) {
    let from = 0
    for (let life = 0; ; life++) {
      // All but two are killed once; if there is time, again and again.
      const mortal = seconds > 0 || (life === 0 && place < 6)
      const victim = mortal ? (place + life) % 6 < 3 ? 'make' : 'hold' : 'none'
      const nth = seconds > 0 ? 1 + random(victim === 'make' ? 40 : 60) : 2
      const command = language === 'python' ? python : process.execPath
      const aid = join(aids, language === 'python' ? 'seat.py' : 'seat.mjs')
      const done = await ends(command, [aid, folder, from, victim, nth], { cwd: folder })
      if (!done.killed) return
      killed[language]++
      from = reached(done.pid)
    }
  }
  async function command(place) {
    for (let nth = 0; existsSync(join(folder, `both-${nth}.json`)) && !existsSync(stop); nth++) {
      const dies = seconds > 0 ? random(6) === 0 : nth === 0
      const victim = dies ? (place % 2 === 0 ? 'make' : 'hold') : 'none'
      const options = ['--agents', `agents-${victim}.toml`, '--store', 'runs.db', '--max-parallel', '4', '--json']
      const done = await ends(process.execPath, [bin, 'run', `both-${nth}.json`, ...options], { cwd: folder })
      if (done.killed) killed.rust++
      else {
        const got = JSON.parse(done.stdout).tasks.filter(({ output }) => output)
        writeFileSync(log, got.map(({ id, output }) => `got ${done.pid}.0 ${id} ${output}\n`).join(''), { flag: 'a' })
      }
    }
  }
  await Promise.all(SEATS.map((language, place) => (language === 'rust' ? command(place) : seat(language, place))))
  clearTimeout(timer)
  return killed
}

const without = [
  process.platform === 'win32' && 'it kills processes by signals',
  !existsSync(python) && 'the Python package is not built here',
].find(Boolean)

test('of eight processes in three languages one makes each value, and one holds each lease', { skip: without, timeout: 300_000 }, async (t) => {
  const seconds = Number(process.env.ORCH_HISTORY_SECONDS ?? 0)
  const folder = mkdtempSync(join(tmpdir(), 'orch-history-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const rounds = seconds > 0 ? seconds * 100 : 2
  for (let nth = 0; nth < rounds; nth++) writeRound(folder, nth)
  for (const victim of ['make', 'hold', 'none']) writeFileSync(join(folder, `agents-${victim}.toml`), agents(victim))
  writeFileSync(join(folder, 'log'), '')
  const store = new Store(join(folder, 'runs.db'))
  const killed = await work(folder, rounds, seconds)
  const lines = readFileSync(join(folder, 'log'), 'utf8').trimEnd().split('\n')
  const { keys, leases, dead } = check(lines)
  const sum = (list, of) => list.reduce((total, it) => total + of(it), 0)
  assert.equal(dead.size, killed.python + killed.node + killed.rust)
  assert.ok(Object.values(killed).every((times) => times > 0), 'of each language one was killed')
  assert.ok(keys.every(({ made }) => made !== undefined) || seconds > 0)
  assert.equal(leases.length, 2)
  assert.deepEqual((await store.check()).problems, [])
  const got = lines.filter((line) => line.startsWith('got ')).length
  t.diagnostic(`${lines.length} lines of ${SEATS.length} processes at a time, killed: ${JSON.stringify(killed)}`)
  t.diagnostic(`${keys.length} keys, got ${got} times, made ${sum(keys, (it) => it.begun)} times, ${sum(keys, (it) => it.followed)} of them after a killed maker`)
  t.diagnostic(`2 leases, held ${sum(leases, (it) => it.held)} times, ${sum(leases, (it) => it.lost)} of them after a killed holder; two holders at once: 0`)
})
