// The conformance vectors, as the package reaches the engine.
//
// `the engine` gives each vector to the function of the engine that answers vectors in every language, through the native module
// and its conversions. `definitions` and `the driver` prove what the package does itself: `parse`, and runs by the real driver on
// the loop of Node, whose time is virtual and passes only where the loop would wait.
//
// No vector is left out: a file that is no vector, an area or a version that is not known here, and an area without files fail.

import assert from 'node:assert/strict'
import { readFileSync, readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { test } from 'node:test'

import { OrchError, parse, start } from '../js/index.mjs'

const require = createRequire(import.meta.url)
const native = require('../js/native.js')
const { ofNative } = require('../js/errors.js')
const { LoadedGraph } = require('../js/load.js')

const folder = new URL('../../orch-core/tests/vectors/', import.meta.url)
const areas = readdirSync(folder).sort()
const files = areas.flatMap((area) => readdirSync(new URL(`${area}/`, folder)).sort().map((name) => `${area}/${name}`))

function read(file) {
  assert.match(file, /\.json$/, 'a skipped file would look like a passed one')
  const vector = JSON.parse(readFileSync(new URL(file, folder), 'utf8'))
  assert.deepEqual(Object.keys(vector).sort(), ['input', 'note', 'version', 'want'])
  assert.equal(vector.version, 1, 'a version that this test does not know')
  assert.ok(vector.note)
  return vector
}

function of(area) {
  return files.filter((file) => file.startsWith(`${area}/`))
}

test('every area is known', () => {
  assert.deepEqual(areas, [
    'actions', 'assign', 'badges', 'cache', 'command', 'condition', 'cost', 'expand', 'inferred', 'locks', 'metrics', 'money',
    'recovery', 'run', 'worktrees'
  ])
  assert.deepEqual(native.vectorAreas(), areas)
  for (const area of areas) assert.ok(of(area).length > 0, `no vector in ${area}`)
  assert.throws(() => native.vector('weather', '{"input": null}'), (error) => ofNative(error).code === 'NOT_FOUND')
})

test('an unknown field is refused', () => {
  for (const area of areas) assert.throws(() => native.vector(area, '{"input": {"weather": 1}}'), /the vector is wrong/)
})

for (const file of files) {
  test(`the engine: ${file}`, () => {
    const { want, note } = read(file)
    const [area] = file.split('/')
    const text = readFileSync(new URL(file, folder), 'utf8')
    assert.deepEqual(JSON.parse(native.vector(area, text)), want, note)
  })
}

for (const file of of('command')) {
  test(`definitions: ${file}`, () => {
    const { input, want } = read(file)
    const text = input.text ?? JSON.stringify(input.definition)
    const { phase_order = 'dag', inputs = [], strict = false, ...rest } = input.options ?? {}
    assert.deepEqual(rest, {}, 'options that this test does not know')
    const read_ = () => {
      if (!strict) return parse(text, { '*': () => {} }, { barriers: phase_order === 'barrier', inputs })
      // The package does not offer it; the native module does.
      try {
        return native.Graph.parse(text, undefined, JSON.stringify(input.options))
      } catch (error) {
        throw ofNative(error)
      }
    }
    if (file === 'command/text-markdown.json') {
      // What is no JSON is read as Markdown here, as by the command line.
      read_()
      return
    }
    if (want.graph !== undefined) {
      const graph = read_()
      assert.deepEqual(graph.toJSON(), want.graph)
      const plan = graph.plan()
      assert.deepEqual(
        {
          levels: plan.levels.length,
          widest: plan.widest,
          serial_ms: Math.round(plan.serialMs),
          critical_path_ms: Math.round(plan.criticalMs),
        },
        want.plan,
      )
      return
    }
    const stops = (want.problems ?? []).filter((problem) => problem.severity === 'error')
    assert.throws(read_, (error) => {
      assert.ok(error instanceof OrchError)
      if (stops.length === 0) {
        assert.equal(error.code, want.error.code)
        return true
      }
      assert.equal(error.code, 'INVALID_DEFINITION')
      for (const { code, path, message } of stops) {
        const said = (problem) => problem.code === code && problem.path === path && problem.message === message
        assert.ok(error.problems.some(said), `${code} at ${path}`)
      }
      return true
    })
  })
}

/** Timers whose time passes only when nothing else is left to do, and that of the sessions with it. */
class Virtual {
  real = { setTimeout, clearTimeout, Session: native.Session }
  now = 0
  made = 0
  timers = new Map()
  sessions = []

  begin() {
    const { Session } = this.real
    globalThis.setTimeout = (call, ms) => {
      this.timers.set(++this.made, { at: this.now + ms, call })
      return this.made
    }
    globalThis.clearTimeout = (timer) => this.timers.delete(timer)
    const { sessions } = this
    native.Session = function (...args) {
      const session = new Session(...args)
      session.hold()
      sessions.push(session)
      return session
    }
  }

  end() {
    Object.assign(globalThis, { setTimeout: this.real.setTimeout, clearTimeout: this.real.clearTimeout })
    native.Session = this.real.Session
  }

  /** Until the promise settles. */
  async pass(promise) {
    let settled = false
    promise.then(
      () => (settled = true),
      () => (settled = true),
    )
    for (;;) {
      for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve))
      if (settled) return promise
      const [id, next] = [...this.timers].reduce((one, other) => (other[1].at < one[1].at ? other : one), [
        undefined,
        { at: Infinity },
      ])
      assert.ok(id !== undefined, 'the run waits for nothing and would never end')
      this.timers.delete(id)
      for (const session of this.sessions) session.advance(next.at - this.now)
      this.now = next.at
      next.call()
    }
  }
}

/** What an attempt of a script fails with. */
class Scripted extends Error {
  name = 'Scripted'
}

/** The run of a vector by the driver, as the runner of the engine tells it. */
async function play(source, stopped) {
  const graph = native.Graph.ofJson(JSON.stringify(source.graph))
  const body = ({ id, attempt, signal }) =>
    new Promise((resolve, reject) => {
      const script = source.script?.[id] ?? [{ ms: 1000 }]
      const { ms, error, output } = script[Math.min(attempt, script.length) - 1]
      const timer = setTimeout(
        () => (error === undefined || error === null ? resolve(output ?? undefined) : reject(new Scripted(error))),
        ms,
      )
      signal.addEventListener('abort', () => {
        clearTimeout(timer)
        stopped.push(id)
        reject(signal.reason)
      })
    })
  const programs = new native.Programs('{}', [], '[{"name": "*"}]', undefined)
  const running = start(new LoadedGraph(graph, new Map([['*', body]]), programs), {
    maxParallel: source.max_parallel ?? undefined,
    onFailure: source.on_failure,
    deadlineMs: source.deadline_ms,
    inputs: source.inputs,
  })
  if (source.cancel_at_ms !== undefined) setTimeout(() => running.cancel('cancelled by the vector'), source.cancel_at_ms)
  const events = []
  for await (const event of running) events.push(event)
  return [events, await running.report()]
}

/** An event of a task in the words of the vectors; an error is told with its name here. */
function tell(event, ids) {
  const failure = { kind: event.errorKind, error: event.error?.replace('Scripted: ', '') }
  switch (event.type) {
    case 'task_started':
      return { started: event.attempt }
    case 'task_retrying':
      return { retrying: { in_ms: event.delayMs, ...failure } }
    case 'task_finished':
      return event.error === undefined ? { done: event.output ?? null } : { failed: failure }
    case 'task_skipped':
      if (event.reason === 'condition') return { skipped: { condition: event.message } }
      return { skipped: event.reason === 'upstream' ? { upstream: ids.indexOf(event.upstream) } : event.reason }
    default:
      return undefined
  }
}

// A cache answers some tasks there, and what the context spared is told; runs of Node have no cache yet.
const withoutDriver = ['run/context.json']

test('the driver plays all but those that say why', () => {
  for (const file of of('run')) assert.equal(read(file).input.context !== undefined, withoutDriver.includes(file), file)
})

for (const file of of('run').filter((file) => !withoutDriver.includes(file))) {
  test(`the driver: ${file}`, async () => {
    const { input, want, note } = read(file)
    const time = new Virtual()
    const stopped = []
    let events, report
    time.begin()
    try {
      ;[events, report] = await time.pass(play(input, stopped))
    } finally {
      time.end()
    }
    const ids = input.graph.tasks.map((task) => task.id)
    const stories = {}
    for (const event of events) {
      const word = tell(event, ids)
      if (word !== undefined) (stories[event.task] ??= []).push([Math.round(event.atMs), word])
    }
    assert.deepEqual(stories, want.tasks, note)
    const { tokens, ...wanted } = want.report
    if (tokens) assert.equal(file, 'run/usage.json', 'functions of Node cannot say yet what they used')
    const { counts } = report
    const json = report.toJSON()
    assert.deepEqual(
      {
        state: report.state,
        stopped: report.stopped ?? null,
        makespan_ms: json.makespan_ms,
        serial_ms: json.serial_ms,
        succeeded: counts.succeeded,
        failed: counts.failed,
        skipped: counts.skipped,
        cancelled: counts.cancelled,
        warnings: json.warnings.map((warning) => warning.message),
      },
      wanted,
    )
    // Whatever was stopped was told to, and nothing else was.
    const kinds = ['cancelled', 'timeout']
    assert.equal(stopped.length, events.filter((event) => kinds.includes(event.errorKind)).length)
  })
}
