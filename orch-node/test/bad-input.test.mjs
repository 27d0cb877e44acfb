import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createRequire } from 'node:module'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'

import { Graph, OrchError, RunFailed, run, start } from '../js/index.mjs'

const require = createRequire(import.meta.url)
const main = fileURLToPath(new URL('../js/index.js', import.meta.url))

/** The exit code and the output of a program. */
function node(source, ...flags) {
  const program = `const { Graph, run, start, parse } = require(${JSON.stringify(main)});${source}`
  const { status, stdout, stderr, signal } = spawnSync(process.execPath, [...flags, '-e', program], {
    encoding: 'utf8',
    timeout: 60_000,
  })
  return { status, signal, stdout, stderr }
}

/** What a run of one task says of its failure. */
async function failure(fn) {
  const error = await run(new Graph('g').task('t', fn)).catch((error) => error)
  assert.ok(error instanceof RunFailed)
  return error
}

test('a thenable that never settles ends with its timeout, or with the run', async () => {
  const never = { then() {} }
  const timed = await run(new Graph().task('t', () => never, { timeoutMs: 1 }), { check: false })
  assert.equal(timed.task('t').state, 'failed')
  const running = start(new Graph().task('t', () => never))
  for await (const event of running) if (event.type === 'task_started') running.cancel()
  assert.equal((await running.report()).state, 'cancelled')
})

test('one that has asked for its signal and goes on anyway is given up', async () => {
  const graph = new Graph().task('t', ({ signal }) => new Promise(() => void signal.aborted))
  const running = start(graph, { graceMs: 1 })
  for await (const event of running) if (event.type === 'task_started') running.cancel()
  assert.equal((await running.report()).task('t').state, 'cancelled')
})

test('whatever is thrown is the cause', async () => {
  const odd = [
    undefined,
    null,
    0,
    'text',
    Symbol('s'),
    10n,
    { message: 'like an error' },
    { circle: undefined },
    Object.create(null),
    {
      get message() {
        throw new Error('a trap')
      },
    },
    new Proxy({}, {
      get() {
        throw new Error('a trap')
      },
      getPrototypeOf() {
        throw new Error('a trap')
      },
    }),
    function thrown() {},
  ]
  odd[7].circle = odd[7]
  for (const thrown of odd) {
    for (const fn of [
      () => {
        throw thrown
      },
      async () => {
        throw thrown
      },
      () => ({ then: (_, reject) => reject(thrown) }),
    ]) {
      const error = await failure(fn)
      assert.ok('cause' in error)
      assert.ok(Object.is(error.cause, thrown))
      assert.equal(error.report.task('t').state, 'failed')
    }
  }
})

test('a thenable that settles twice counts once', async () => {
  const twice = {
    then(resolve, reject) {
      resolve('first')
      resolve('second')
      reject(new Error('third'))
      throw new Error('fourth')
    },
  }
  assert.equal((await run(new Graph().task('t', () => twice))).get('t'), 'first')
})

test('a result with a `then` that throws, or that is no function', async () => {
  const trap = {
    get then() {
      throw new Error('a trap')
    },
  }
  assert.equal((await failure(() => trap)).cause.message, 'a trap')
  const plain = { then: 3 }
  assert.equal((await run(new Graph().task('t', () => plain))).get('t'), plain)
})

test('a function that looks like a promise is one', async () => {
  const callable = Object.assign(() => {}, { then: (resolve) => resolve('settled') })
  assert.equal((await run(new Graph().task('t', () => callable))).get('t'), 'settled')
})

test('results without a JSON form stay as they are', async () => {
  const circle = {}
  circle.self = circle
  const values = [circle, 10n, Symbol('s'), () => 1, new Map([[1, 2]]), NaN]
  const graph = new Graph()
  values.forEach((value, i) => graph.task(`t${i}`, () => value))
  // Somebody reads what tasks make, so that it crosses where it can.
  graph.task('reads', ({ inputs }) => inputs, { after: values.map((_, i) => `t${i}`), when: 't5 == null || true' })
  const report = await run(graph)
  values.forEach((value, i) => assert.ok(Object.is(report.get(`t${i}`), value)))
  assert.ok(Object.is(report.get('reads').t0, circle))
})

test('a getter that throws in options throws there', async () => {
  const trap = {
    get maxParallel() {
      throw new RangeError('a trap')
    },
  }
  const graph = new Graph().task('t', () => 1)
  assert.throws(() => start(graph, trap), RangeError)
  await assert.rejects(run(graph, trap), RangeError)
  assert.throws(
    () =>
      graph.task('u', () => 1, {
        get after() {
          throw new RangeError('a trap')
        },
      }),
    RangeError,
  )
  assert.equal(graph.size, 1)
  assert.equal((await run(graph)).get('t'), 1)
})

test('100,000 tasks that all end in one tick', async () => {
  let open
  const gate = new Promise((resolve) => (open = resolve))
  let begun = 0
  const graph = new Graph('many')
  for (let i = 0; i < 100_000; i++) {
    graph.task(`t${i}`, () => {
      if (++begun === 100_000) open()
      return gate
    })
  }
  const report = await run(graph)
  assert.equal(report.counts.succeeded, 100_000)
  assert.equal(report.peak, 100_000)
})

test('a long chain lets timers have their turn', async () => {
  const graph = new Graph('chain')
  let stop = false
  let links = 0
  for (let i = 0; i < 50_000; i++) {
    graph.task(`t${i}`, async () => void links++, { after: i === 0 ? [] : `t${i - 1}` })
  }
  const running = start(graph)
  setTimeout(() => running.cancel('the timer had its turn'), 1)
  await running.report()
  assert.equal(running.state, 'cancelled')
  assert.ok(links < 50_000 && !stop)
})

test('a task that cancels its own run', async () => {
  const graph = new Graph().task('a', () => running.cancel('from within')).task('b', () => 1, { after: 'a' })
  const running = start(graph)
  const report = await running.report()
  assert.equal(report.state, 'cancelled')
  assert.equal(report.task('b').attempts, 0)
})

test('a task that runs a graph of its own', async () => {
  const inner = new Graph('inner').task('x', async () => 21)
  const outer = new Graph('outer')
    .task('a', async () => (await run(inner)).get('x'))
    .task('b', ({ inputs }) => inputs.a * 2, { after: 'a' })
  assert.equal((await run(outer)).get('b'), 42)
})

test('what an attempt says after its end is not heard', async () => {
  let kept
  await run(new Graph().task('t', (context) => void (kept = context)))
  kept.heartbeat()
  kept.log('too late')
  assert.equal(kept.id, 't')
  assert.equal(kept.signal.aborted, false)
  assert.deepEqual(kept.inputs, {})
})

test('1,000 aborted runs leave nothing behind', () => {
  const { status, stdout, stderr } = node(
    `
    const graph = new Graph('stress')
    for (let i = 0; i < 20; i++) {
      graph.task('t' + i, ({ signal }) => new Promise((_, no) => signal.addEventListener('abort', () => no(signal.reason))), { claims: { resource: 'r', mode: 'shared' } })
    }
    async function runs(count) {
      for (let i = 0; i < count; i++) {
        const controller = new AbortController()
        const running = start(graph, { signal: controller.signal })
        for await (const event of running) if (event.type === 'task_started') controller.abort()
        await running.report()
      }
      for (let i = 0; i < 3; i++) { gc(); await new Promise((resolve) => setImmediate(resolve)) }
      return process.memoryUsage()
    }
    // What is allocated once, and what the allocator keeps, is there after the first.
    runs(1000).then(async (before) => {
      const after = await runs(1000)
      console.log(JSON.stringify({ heap: after.heapUsed - before.heapUsed, rss: after.rss - before.rss }))
    })`,
    '--expose-gc',
  )
  assert.equal(status, 0, stderr)
  const { heap, rss } = JSON.parse(stdout)
  assert.ok(heap < 1_000_000, `the heap grew by ${heap} bytes`)
  assert.ok(rss < 20_000_000, `the process grew by ${rss} bytes`)
})

test('a process that ends in the middle of a run has its exit code', () => {
  const graph = "const graph = new Graph().task('never', () => new Promise(() => {}));"
  for (const [source, code] of [
    [`${graph} run(graph); setTimeout(() => process.exit(7), 5)`, 7],
    // Nothing is left to do: Node ends by itself.
    [`${graph} run(graph)`, 0],
    [`new Graph().task('a', () => 1); run(new Graph().task('exits', () => process.exit(3)))`, 3],
    [`run(new Graph().task('throws', () => { throw new Error('no') }))`, 1],
    [`const g = parse('{"version":"2.0.0","name":"/x","description":"x","phases":[{"id":"p","name":"P","agents":[{"id":"a","agentId":"a","task":"t","dependencies":[]}]}]}', {}, { programs: { a: 'sleep 30' } }); run(g); setTimeout(() => process.exit(4), 200)`, 4],
  ]) {
    const { status, signal, stderr } = node(source)
    assert.deepEqual([status, signal], [code, null], `${source}\n${stderr}`)
  }
})

test('a program at work keeps the process alive', () => {
  const { status, stdout } = node(
    `const g = parse('{"version":"2.0.0","name":"/x","description":"x","phases":[{"id":"p","name":"P","agents":[{"id":"a","agentId":"a","task":"t","dependencies":[]}]}]}', {}, { programs: { a: 'echo heard' } }); run(g).then((report) => console.log(report.get('a')))`,
  )
  assert.deepEqual([status, stdout], [0, 'heard\n'])
})

test('the module can be loaded twice', async () => {
  const before = Object.keys(require.cache)
  // All of it, as parts are read when they are asked for.
  const first = { ...require('../js/index.js') }
  for (const file of Object.keys(require.cache)) if (file.startsWith(main.slice(0, -'index.js'.length))) delete require.cache[file]
  const second = { ...require('../js/index.js') }
  assert.notEqual(first.Graph, second.Graph)
  assert.equal((await second.run(new second.Graph().task('t', () => 1))).get('t'), 1)
  assert.equal((await first.run(new first.Graph().task('t', () => 2))).get('t'), 2)
  assert.ok(before.length > 0)
})

const worker = `
  const { parentPort, workerData } = require('node:worker_threads')
  const { Graph, run } = require(workerData)
  const graph = new Graph().task('a', async () => 20, { claims: 'r' }).task('b', ({ inputs }) => inputs.a + 1, { after: 'a' })
  run(graph).then((report) => parentPort.postMessage(report.get('b')))
`

test('ten workers run at once', async () => {
  const results = await Promise.all(
    Array.from({ length: 10 }, async () => {
      const thread = new Worker(worker, { eval: true, workerData: main })
      const ended = new Promise((resolve) => thread.once('exit', resolve))
      const result = await new Promise((resolve, reject) => thread.once('message', resolve).once('error', reject))
      return [result, await ended]
    }),
  )
  assert.deepEqual(results, Array(10).fill([21, 0]))
})

test('workers may be terminated in the middle of a run', async () => {
  const endless = `
    const { parentPort, workerData } = require('node:worker_threads')
    const { Graph, start, parse } = require(workerData)
    const text = '{"version":"2.0.0","name":"/x","description":"x","phases":[{"id":"p","name":"P","agents":[{"id":"a","agentId":"a","task":"t","dependencies":[]}]}]}'
    start(parse(text, {}, { programs: { a: 'sleep 0.05' } }))
    const graph = new Graph()
    for (let i = 0; i < 100; i++) graph.task('t' + i, () => new Promise((resolve) => setImmediate(resolve)), { retries: 3, claims: 'r' })
    start(graph, { onEvent: () => parentPort.postMessage('on') })
  `
  for (let i = 0; i < 10; i++) {
    const thread = new Worker(endless, { eval: true, workerData: main })
    await new Promise((resolve, reject) => thread.once('message', resolve).once('error', reject))
    await thread.terminate()
  }
  assert.equal((await run(new Graph().task('t', () => 1))).get('t'), 1)
})

test('errors are errors', () => {
  const error = new OrchError('words', { cause: 3 })
  assert.deepEqual([error.message, error.cause, error.code, error.name], ['words', 3, 'ERROR', 'OrchError'])
})
