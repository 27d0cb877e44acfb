import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'

import {
  Conflict,
  Corrupt,
  Graph,
  InvalidType,
  InvalidValue,
  Misuse,
  NotFound,
  OrchError,
  RunCancelled,
  Store,
  load,
  resume,
  run,
  start,
} from '../js/index.mjs'
import { graph } from './aids/kept.mjs'

const aid = fileURLToPath(new URL('aids/kept.mjs', import.meta.url))
const bin = fileURLToPath(new URL('../bin/orch.js', import.meta.url))
let folder
let made = 0

before(() => (folder = mkdtempSync(join(tmpdir(), 'orch-store-'))))
after(() => rmSync(folder, { recursive: true, force: true }))

/** Where a store of its own may be. */
const place = () => join(folder, `${++made}.db`)

function later() {
  let resolve
  const promise = new Promise((answer) => (resolve = answer))
  return { promise, resolve }
}

function orch(...args) {
  return spawnSync(process.execPath, [bin, ...args], { encoding: 'utf8', cwd: folder })
}

/** A run that was killed while its task `publish` ran, and what its tasks wrote. */
function killed() {
  const path = place()
  const log = `${path}.log`
  const { signal, stderr } = spawnSync(process.execPath, [aid, path, log], { encoding: 'utf8' })
  assert.deepEqual([signal, stderr], ['SIGKILL', ''])
  return { path, log, lines: () => readFileSync(log, 'utf8').trimEnd().split('\n') }
}

const names = (lines) => lines.map((line) => line.split(' ')[0])

test('a run is kept: listed, shown, reported, here and by the command', async () => {
  const path = place()
  const store = new Store(path)
  assert.equal(store.path, path)
  const two = new Graph('two').task('a', () => [1, null, { b: 'c' }]).task('b', async ({ inputs }) => inputs.a.length, { after: 'a' })
  const report = await run(two, { store, inputs: { files: 3 }, source: 'nightly' })
  assert.equal(report.get('b'), 3)
  const [row, ...more] = await store.runs()
  assert.deepEqual([row.run, row.state, row.name, row.source, more], [report.run, 'succeeded', 'two', 'nightly', []])
  assert.deepEqual(await store.runs({ source: 'another' }), [])
  const shown = await store.show(row.run.slice(-8))
  assert.deepEqual(shown.inputs, { files: 3 })
  const types = shown.events.map(({ type, task }) => (task === undefined ? type : `${type} ${task}`))
  assert.deepEqual(types, ['run_started', 'task_started a', 'task_finished a', 'task_started b', 'task_finished b', 'run_finished'])
  assert.deepEqual(shown.events[2].output, [1, null, { b: 'c' }])
  const again = await store.report()
  assert.deepEqual([again.state, again.get('a'), again.task('b').value], ['succeeded', [1, null, { b: 'c' }], 3])
  const told = orch('report', row.run, '--store', path, '--json')
  assert.equal(told.status, 0, told.stderr)
  assert.deepEqual(JSON.parse(told.stdout).tasks.map(({ state }) => state), ['succeeded', 'succeeded'])
})

test('a run that was killed goes on: what is done is kept, what ran has the same idempotency key', async () => {
  const { path, log, lines } = killed()
  const first = lines()
  assert.deepEqual(names(first), ['collect', 'count', 'nothing', 'publish'])
  const store = new Store(path)
  assert.equal((await store.runs())[0].state, 'running', 'nobody could say that it ended')
  const going = await resume(graph(), { store, context: { log } })
  assert.deepEqual(going.resumed.kept.toSorted?.() ?? [...going.resumed.kept].sort(), ['collect', 'count', 'nothing'])
  assert.deepEqual(going.resumed.again.map(({ task }) => task), ['publish', 'tell'])
  const restored = []
  for await (const { type, task } of going) if (type === 'task_restored') restored.push(task)
  assert.equal(restored.length, 3)
  const report = await going.report()
  assert.equal(report.get('tell'), 'FASTER, SMALLER: 2 WORDS, AND UNDEFINED')
  assert.deepEqual(report.get('collect'), { words: ['faster', 'smaller'] })
  assert.deepEqual(names(lines().slice(4)), ['publish', 'tell'])
  assert.equal(lines()[4], first[3], 'a service that knows the key is asked once')
  const told = orch('report', '--store', path, '--json', report.run)
  assert.equal(JSON.parse(told.stdout).state, 'succeeded', told.stderr)
})

test('a function that was edited runs again, and what follows it', async () => {
  const { path, log, lines } = killed()
  const edited = new Graph('kept')
    .task('collect', Object.assign(() => 0, { toString: () => String(graph) }))
    .task('count', () => 0, { after: 'collect' })
  assert.equal((await new Store(path).runs())[0].interrupted, true)
  const { kept, again } = await new Store(path).plan(edited)
  assert.deepEqual(kept, [])
  assert.deepEqual(again, [
    { task: 'collect', why: 'its definition changed' },
    { task: 'count', why: 'its definition changed' },
  ])
  const report = await run(graph(), { store: new Store(path), resume: true, context: { log } })
  assert.equal(report.counts.succeeded, 5)
  assert.deepEqual(names(lines()).filter((name) => name === 'collect').length, 1)
})

test('a version named in the place of the code decides alone', async () => {
  const store = new Store(place())
  const graph = (fn, version) => new Graph('v').task('a', fn, { sources: { tools: { function: version } } })
  await run(graph(() => 1, '1'), { store })
  assert.deepEqual((await store.plan(graph(() => 2, '1'))).kept, ['a'])
  assert.deepEqual((await store.plan(graph(() => 1, '2'))).kept, [])
})

test('other inputs make every task run, no inputs are those of before', async () => {
  const store = new Store(place())
  let calls = 0
  const graph = new Graph('inputs').task('a', ({ inputs }) => (calls++, inputs.x), { inputs: 'x' })
  await run(graph, { store, inputs: { x: 1 } })
  assert.equal((await run(graph, { store, resume: true })).get('a'), 1)
  assert.equal(calls, 1)
  assert.equal((await run(graph, { store, resume: true, inputs: { x: 2 } })).get('a'), 2)
  assert.equal(calls, 2)
})

test('one process owns a run: another is told so', async () => {
  const store = new Store(place())
  const held = later()
  const graph = new Graph('one').task('a', () => held.promise)
  const going = start(graph, { store })
  for await (const { type } of going) if (type === 'task_started') break
  await assert.rejects(run(graph, { store, resume: going.id }), (error) => {
    assert.ok(error instanceof Conflict && error.code === 'CONFLICT')
    return /belongs to process/.test(error.message)
  })
  held.resolve(1)
  assert.equal((await going.report()).state, 'succeeded')
})

test('another process cancels a run, and is told when it has ended', async () => {
  const path = place()
  const going = start(
    new Graph('stop').task('a', ({ signal }) => new Promise((_, stop) => signal.addEventListener('abort', () => stop(signal.reason)))),
    { store: new Store(path) },
  )
  for await (const { type } of going) if (type === 'task_started') break
  const told = orch('runs', 'cancel', going.id, '--store', path)
  assert.equal(told.status, 0, told.stderr)
  const report = await going.report()
  assert.equal(report.state, 'cancelled')
  assert.match(report.stopped, /orch runs cancel/)
  await assert.rejects(new Store(path).cancel(going.id), Misuse)
})

test('a run is paused, goes on, and is cancelled, by its store', async () => {
  const store = new Store(place())
  const held = later()
  const going = start(new Graph('pause').task('a', () => held.promise).task('b', () => 2, { after: 'a' }), { store })
  await store.pause(going.id).catch((error) => assert.ok(error instanceof NotFound, 'its beginning may not be stored yet'))
  for await (const { type } of going) if (type === 'task_started') break
  await store.pause(going.id)
  await store.unpause(going.id)
  held.resolve(1)
  assert.equal((await going.report()).get('b'), 2)
  await assert.rejects(store.pause('no such run'), NotFound)
})

test('what has no JSON form cannot be kept, and the error names the task', async () => {
  const store = new Store(place())
  const circle = {}
  circle.self = circle
  for (const [value, why] of [
    [new Map([[1, 2]]), /it is a Map/],
    [{ at: [new Date(0)] }, /it\.at\[0\] is a Date; return its JSON form/],
    [10n, /BigInt/],
    [circle, /circular/],
    [() => 1, /it is a function/],
    [[1, undefined], /it\[1\] is undefined/],
    [{ rate: NaN }, /it\.rate is NaN/],
    [Buffer.from('x'), /is a Buffer/],
    [new (class Point {})(), /it is a Point/],
  ]) {
    const report = await run(new Graph('g').task('draw', () => value), { store, check: false })
    assert.equal(report.state, 'failed')
    const { message } = report.task('draw').error
    assert.match(message, /^the result of task `draw` cannot be kept in a store, which keeps JSON: /)
    assert.match(message, why)
  }
  const once = await run(new Graph('g').task('draw', () => new Set(), { retries: { attempts: 3, delayMs: 0 } }), { store, check: false })
  assert.equal(once.task('draw').attempts, 1, 'another attempt is no use')
  const plain = Object.assign(Object.create(null), { a: undefined, b: [[], {}, -1.5, '', true, null] })
  const report = await run(new Graph('g').task('draw', () => plain), { store })
  assert.equal(report.get('draw'), plain, 'here it is what was made')
  assert.deepEqual((await store.report()).get('draw'), { b: [[], {}, -1.5, '', true, null] })
})

test('a store that cannot be opened says why', () => {
  assert.throws(() => new Store(3), InvalidType)
  assert.throws(() => new Store(place(), { sync: 'half' }), /`sync` must be 'normal' or 'full'/)
  assert.throws(() => new Store(place(), { mode: 'full' }), /there is no option `mode`/)
  const foreign = place()
  writeFileSync(foreign, 'not a database, but long enough to be taken for one'.repeat(40), { mode: 0o600 })
  const bytes = readFileSync(foreign)
  assert.throws(() => new Store(foreign), (error) => error instanceof OrchError && /is no store|is not a store|database/.test(error.message))
  assert.deepEqual(readFileSync(foreign), bytes)
  assert.throws(() => new Store(join(folder, 'no', '\0')), OrchError)
})

test('a damaged store is refused as such', async () => {
  const path = place()
  const store = new Store(path)
  await run(graph(), { store, context: { log: `${path}.log` } })
  await store.export(`${path}.copy`)
  const bytes = readFileSync(`${path}.copy`)
  // The words of a result, wherever they lie.
  for (let at = bytes.indexOf('faster'); at !== -1; at = bytes.indexOf('faster', at + 1)) bytes[at] ^= 1
  const damaged = place()
  writeFileSync(damaged, bytes, { mode: 0o600 })
  const copy = new Store(damaged)
  await assert.rejects(copy.report(), (error) => error instanceof Corrupt && error.code === 'CORRUPT')
  await assert.rejects(run(graph(), { store: copy, resume: true }), Corrupt)
  assert.equal((await copy.check()).problems.length > 0, true)
})

test('options of kept runs are of the right type', async () => {
  const graph = new Graph('g').task('a', () => 1)
  await assert.rejects(run(graph, { store: place() }), /`store` must be a Store; got a string/)
  const store = new Store(place())
  await assert.rejects(run(graph, { resume: true }), InvalidValue)
  await assert.rejects(run(graph, { sync: 'full' }), InvalidValue)
  await assert.rejects(run(graph, { store, sync: 'none' }), InvalidType)
  await assert.rejects(run(graph, { store, resume: 3 }), InvalidType)
  await assert.rejects(run(graph, { store, resume: true }), (error) => error instanceof NotFound && /of `g`/.test(error.message))
  await assert.rejects(resume(graph, {}), InvalidValue)
  await assert.rejects(resume(graph, { store, run: 'nobody' }), NotFound)
  assert.throws(() => start(graph, { store, resume: true }), /takes a while/)
  store.close()
  await assert.rejects(store.runs(), Misuse)
})

test('sync is said for a store or for a run; its file is for its owner alone', async () => {
  const store = new Store(place(), { sync: 'full' })
  const graph = new Graph('g').task('a', () => 1)
  await run(graph, { store })
  await run(graph, { store, sync: 'normal' })
  assert.equal((await store.runs()).length, 2)
  assert.equal((await store.runs({ limit: 1 })).length, 1)
  if (process.platform !== 'win32') assert.equal(statSync(store.path).mode & 0o777, 0o600)
  const { bytesAfter } = await store.compact({ olderThanMs: 0 })
  assert.ok(bytesAfter > 0)
})

test('a definition goes on with functions as agents, found by its file', async () => {
  const store = new Store(place())
  const agent = (id, agentId, ...dependencies) => ({ id, agentId, dependencies, task: 'do it' })
  const phases = [{ id: 'p', name: 'P', parallel: true, agents: [agent('a', 'reader'), agent('b', 'writer', 'a')] }]
  const file = join(folder, 'two.json')
  writeFileSync(file, JSON.stringify({ version: '2.0.0', name: '/two', description: 'x', phases }))
  const called = []
  const agents = (fails) => ({
    reader: () => (called.push('reader'), 'text'),
    writer: ({ inputs }) => {
      called.push('writer')
      if (fails) throw new Error('not yet')
      return `${inputs.a}!`
    },
  })
  await run(load(file, agents(true)), { store, check: false })
  const report = await run(load(file, agents(false)), { store, resume: true })
  assert.equal(report.get('b'), 'text!')
  assert.deepEqual(called, ['reader', 'writer', 'writer'])
  const plan = orch('plan', file, '--store', store.path, '--resume', '--json')
  assert.deepEqual(JSON.parse(plan.stdout).kept, ['a', 'b'], plan.stderr)
})

test('a run that is given up says so in the store', async () => {
  const store = new Store(place())
  const graph = new Graph('g').task('a', () => new Promise(() => {}))
  await assert.rejects(run(graph, { store, signal: AbortSignal.abort('enough') }), RunCancelled)
  assert.equal((await store.runs())[0].state, 'cancelled')
})

test('a process that ends in the middle of a kept run ends at once, with its own code', async () => {
  const path = place()
  const source = `import { Graph, Store, start } from ${JSON.stringify(new URL('../js/index.mjs', import.meta.url).href)}
    const graph = new Graph('g').task('a', () => 1).task('b', () => new Promise(() => {}), { after: 'a' })
    const going = start(graph, { store: new Store(${JSON.stringify(path)}) })
    for await (const { type, task } of going) if (type === 'task_started' && task === 'b') process.exit(7)`
  const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', source], { encoding: 'utf8' })
  assert.deepEqual([status, stderr], [7, ''])
  const report = await new Store(path).report()
  assert.deepEqual([report.state, report.get('a'), report.task('b').state], ['running', 1, 'running'])
})

test('what an attempt asks when its run is over is refused, and what it answers is nobody\'s', async () => {
  const store = new Store(place())
  const held = later()
  let context
  const stop = new AbortController()
  const graph = new Graph('g').task('a', (given) => {
    context = given
    queueMicrotask(() => stop.abort('enough'))
    return held.promise
  })
  const report = await run(graph, { store, signal: stop.signal, check: false })
  assert.equal(report.state, 'cancelled')
  assert.equal(context.run, report.run)
  assert.throws(() => context.idempotencyKey, Misuse)
  held.resolve(1)
  await held.promise
  assert.equal(report.task('a').value, undefined)
})

test('without a path it is where the command line looks', () => {
  const where = (cwd, env) => {
    const source = `import { Store } from ${JSON.stringify(new URL('../js/index.mjs', import.meta.url).href)}
      console.log(new Store().path)`
    const options = { cwd, encoding: 'utf8', env: { PATH: process.env.PATH, ...env } }
    const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', source], options)
    return stdout.trim() || stderr
  }
  const repository = join(realpathSync(folder), 'repository')
  mkdirSync(join(repository, '.git'), { recursive: true })
  mkdirSync(join(repository, 'deep', 'inside'), { recursive: true })
  writeFileSync(join(repository, '.git', 'HEAD'), 'ref: refs/heads/main\n')
  assert.equal(where(join(repository, 'deep', 'inside'), {}), join(repository, '.git', 'orch', 'orch.db'))
  const data = join(realpathSync(folder), 'data')
  assert.equal(where(folder, { XDG_DATA_HOME: data }), join(data, 'orch', 'orch.db'))
  assert.match(where(folder, {}), /NotFound: there is no repository and no home folder to keep runs in; name a file for the store/)
})
