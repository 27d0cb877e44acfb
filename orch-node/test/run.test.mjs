import assert from 'node:assert/strict'
import { AsyncLocalStorage } from 'node:async_hooks'
import diagnostics from 'node:diagnostics_channel'
import { test } from 'node:test'

import {
  Fatal,
  Graph,
  InvalidDefinition,
  InvalidType,
  RunCancelled,
  RunFailed,
  TaskFailed,
  TaskTimeout,
  run,
  start,
} from '../js/index.mjs'

/** A promise, and what settles it. */
function later() {
  let resolve, reject
  const promise = new Promise((...both) => ([resolve, reject] = both))
  return { promise, resolve, reject }
}

test('results go from task to task', async () => {
  const graph = new Graph('notes')
    .task('collect', async () => ['faster', 'smaller'])
    .task('count', ({ inputs }) => inputs.collect.length, { after: 'collect' })
    .task('publish', async ({ inputs }) => `${inputs.collect.join(' and ')}, ${inputs.count} in all`, {
      after: ['collect', 'count'],
    })
  const report = await run(graph)
  assert.equal(report.get('publish'), 'faster and smaller, 2 in all')
  assert.equal(report.state, 'succeeded')
  assert.deepEqual(report.counts, {
    succeeded: 3,
    failed: 0,
    skipped: 0,
    cancelled: 0,
    undone: 0,
    running: 0,
    pending: 0,
  })
  assert.equal((await run(graph, { maxParallel: 1 })).get('count'), 2, 'a graph can be run again')
})

test('an empty graph succeeds', async () => {
  assert.equal((await run(new Graph())).state, 'succeeded')
})

test('nothing starts before what it waits for, and each starts once', async () => {
  const seen = []
  const graph = new Graph()
  for (let i = 0; i < 300; i++) {
    const after = [i - 1, i - 7, i - 50].filter((parent) => parent >= 0 && (parent + i) % 3 !== 0).map(String)
    const fn = async () => {
      for (const parent of after) assert.ok(seen.includes(parent))
      if (i % 5 === 0) await new Promise((resolve) => setImmediate(resolve))
      seen.push(String(i))
    }
    graph.task(String(i), i % 4 === 0 ? () => void seen.push(String(i)) : fn, { after })
  }
  await run(graph)
  assert.equal(new Set(seen).size, 300)
  assert.equal(seen.length, 300)
})

test('the limit is kept', async () => {
  let now = 0
  let most = 0
  const graph = new Graph()
  for (let i = 0; i < 50; i++) {
    graph.task(`t${i}`, async () => {
      most = Math.max(most, ++now)
      await new Promise((resolve) => setImmediate(resolve))
      now--
    })
  }
  const report = await run(graph, { maxParallel: 3 })
  assert.equal(most, 3)
  assert.equal(report.peak, 3)
})

test('events tell the run', async () => {
  const graph = new Graph('two').task('a', () => 1).task('b', async () => 2, { after: 'a' })
  const running = start(graph)
  const events = []
  for await (const event of running) events.push(event)
  assert.deepEqual(
    events.map(({ seq, type, task }) => [seq, type, task]),
    [
      [0, 'run_started', undefined],
      [1, 'task_started', 'a'],
      [2, 'task_finished', 'a'],
      [3, 'task_started', 'b'],
      [4, 'task_finished', 'b'],
      [5, 'run_finished', undefined],
    ],
  )
  assert.equal(events[2].output, 1)
  assert.equal(events[5].state, 'succeeded')
  assert.ok(events.every((event, i) => i === 0 || event.atMs >= events[i - 1].atMs))
  assert.equal((await running.report()).get('b'), 2)
})

test('a slow reader slows the start of tasks, and hears everything', async () => {
  const graph = new Graph()
  let begun = 0
  for (let i = 0; i < 20_000; i++) graph.task(String(i), async () => void begun++)
  const running = start(graph)
  let heard = 0
  let atFirst
  for await (const event of running) {
    if (heard++ === 0) {
      // Every microtask of the tasks that may begin has its turn.
      for (let i = 0; i < 100; i++) await new Promise((resolve) => setImmediate(resolve))
      atFirst = begun
    }
    assert.equal(event.seq, heard - 1)
  }
  assert.ok(atFirst < 10_000, `${atFirst} tasks began though nobody read`)
  assert.equal(heard, 40_002)
})

test('who stops reading does not stop the run', async () => {
  const graph = new Graph().task('a', async () => 1).task('b', async () => 2, { after: 'a' })
  const running = start(graph)
  for await (const event of running) if (event.type === 'task_started') break
  assert.equal((await running.report()).get('b'), 2)
})

test('a listener hears every event, and may throw', async (t) => {
  const graph = new Graph().task('a', async () => 1)
  const heard = []
  await run(graph, { onEvent: (event) => heard.push(event.type) })
  assert.deepEqual(heard, ['run_started', 'task_started', 'task_finished', 'run_finished'])
  const warned = new Promise((resolve) => process.once('warning', resolve))
  const report = await run(graph, {
    onEvent() {
      throw new Error('no')
    },
  })
  assert.equal(report.state, 'succeeded')
  assert.match((await warned).message, /`onEvent` threw and is called no more: Error: no/)
})

test('what a task throws is the cause', async () => {
  const thrown = new RangeError('too far')
  const graph = new Graph('g').task('bad', async () => Promise.reject(thrown)).task('next', () => 1, { after: 'bad' })
  const error = await run(graph).catch((error) => error)
  assert.ok(error instanceof RunFailed)
  assert.equal(error.code, 'RUN_FAILED')
  assert.equal(error.name, 'RunFailed')
  assert.equal(error.cause, thrown)
  assert.deepEqual([...error.errors], [['bad', thrown]])
  assert.match(error.message, /`bad` RangeError: too far/)
  const { report } = error
  assert.throws(() => report.get('bad'), thrown)
  assert.throws(() => report.get('next'), TaskFailed)
  assert.equal(report.task('next').state, 'cancelled')
})

test('a run goes on after a failure if it is told to', async () => {
  const graph = new Graph()
    .task('bad', () => {
      throw new Error('no')
    })
    .task('good', async () => 1)
    .task('after bad', () => 2, { after: 'bad' })
  const report = await run(graph, { onFailure: 'continue', check: false })
  assert.equal(report.state, 'failed')
  assert.equal(report.get('good'), 1)
  assert.equal(report.task('after bad').state, 'cancelled')
})

test('attempts are repeated, unless that is no use', async () => {
  const seen = []
  const graph = new Graph().task(
    'flaky',
    ({ attempt }) => {
      seen.push(attempt)
      if (attempt < 3) throw new Error('again')
      return attempt
    },
    { retries: { attempts: 3, delayMs: 1, jitter: false } },
  )
  const report = await run(graph)
  assert.equal(report.get('flaky'), 3)
  assert.deepEqual(seen, [1, 2, 3])
  assert.equal(report.task('flaky').attempts, 3)
  let calls = 0
  const fatal = new Graph().task(
    'fatal',
    () => {
      calls++
      throw new Fatal('no use')
    },
    { retries: 5 },
  )
  await assert.rejects(run(fatal), RunFailed)
  assert.equal(calls, 1)
})

test('an attempt that takes too long is aborted', async () => {
  let aborted = false
  const graph = new Graph().task(
    'slow',
    ({ signal }) =>
      new Promise((_, reject) =>
        signal.addEventListener('abort', () => {
          aborted = true
          reject(signal.reason)
        }),
      ),
    { timeoutMs: 5 },
  )
  const error = await run(graph).catch((error) => error)
  assert.ok(error instanceof RunFailed)
  assert.ok(aborted)
  assert.ok(error.cause instanceof TaskTimeout)
  assert.equal(error.cause.code, 'TASK_TIMEOUT')
  assert.match(error.cause.message, /task `slow` took longer than/)
})

test('what is undone is undone in reverse', async () => {
  const undone = []
  const undo = (result, { id, attempt }) => void undone.push([id, result, attempt])
  const graph = new Graph()
    .task('a', () => 'made a', { undo })
    .task('b', async () => 'made b', { after: 'a', undo })
    .task('c', () => Promise.reject(new Error('no')), { after: 'b' })
  const report = await run(graph, { check: false })
  assert.deepEqual(undone, [
    ['b', 'made b', 1],
    ['a', 'made a', 1],
  ])
  assert.equal(report.task('a').state, 'undone')
})

test('an abort cancels the run: before, during, after', async () => {
  const graph = new Graph('n').task('waits', ({ signal }) => {
    const { promise, reject } = later()
    signal.addEventListener('abort', () => reject(signal.reason))
    return promise
  })
  const before = await run(graph, { signal: AbortSignal.abort('too late') }).catch((error) => error)
  assert.ok(before instanceof RunCancelled)
  assert.equal(before.code, 'CANCELLED')
  assert.equal(before.report.task('waits').attempts, 0)
  assert.match(before.message, /too late/)

  const during = new AbortController()
  const running = start(graph, { signal: during.signal })
  for await (const event of running) if (event.type === 'task_started') during.abort(new Error('enough'))
  const report = await running.report()
  assert.equal(report.state, 'cancelled')
  assert.equal(report.stopped, 'enough')
  assert.equal(report.task('waits').state, 'cancelled')

  const after = new AbortController()
  const done = await run(new Graph().task('a', () => 1), { signal: after.signal })
  after.abort()
  assert.equal(done.state, 'succeeded')
})

test('an attempt that does not listen does not hold up an abort', async () => {
  const late = later()
  const graph = new Graph().task('deaf', () => late.promise)
  const running = start(graph)
  for await (const event of running) if (event.type === 'task_started') running.cancel()
  const report = await running.report()
  assert.equal(report.state, 'cancelled')
  late.resolve('nobody hears')
  await late.promise
  assert.equal(report.task('deaf').value, undefined)
})

test('leaving its block cancels a run', async () => {
  const graph = new Graph().task('never', () => new Promise(() => {}))
  const running = start(graph)
  await running[Symbol.asyncDispose]()
  assert.equal(running.state, 'cancelled')
})

test('functions are given the context of the run', async () => {
  const context = { user: 'ada' }
  const graph = new Graph().task('who', ({ id, run, context }) => `${id} ${typeof run} ${context.user}`)
  assert.equal((await run(graph, { context })).get('who'), 'who string ada')
})

test('values are read by key, conditions are asked', async () => {
  const graph = new Graph()
    .task('scan', () => ({ files: 3 }), { outputs: 'found' })
    .task('skip', () => 1, { after: 'scan', when: 'found.files > 5' })
    .task('go', ({ inputs }) => inputs.found.files + inputs.extra, {
      after: 'scan',
      inputs: ['found', 'extra'],
      when: 'found.files > 2',
    })
  const report = await run(graph, { inputs: { extra: 10 } })
  assert.equal(report.task('skip').state, 'skipped')
  assert.equal(report.get('go'), 13)
})

test('claims keep tasks apart', async () => {
  let inside = 0
  const graph = new Graph()
  for (let i = 0; i < 5; i++) {
    graph.task(
      `t${i}`,
      async () => {
        assert.equal(++inside, 1)
        await new Promise((resolve) => setImmediate(resolve))
        inside--
      },
      { claims: 'site' },
    )
  }
  assert.equal((await run(graph)).counts.succeeded, 5)
})

test('tasks say what they do', async () => {
  const graph = new Graph().task('t', async (context) => {
    context.log('halfway')
    context.heartbeat()
    await null
  })
  const events = []
  for await (const event of start(graph)) events.push(event)
  assert.deepEqual(
    events.filter((event) => event.task).map((event) => [event.type, event.text]),
    [
      ['task_started', undefined],
      ['task_output', 'halfway'],
      ['heartbeat', undefined],
      ['task_finished', undefined],
    ],
  )
})

test('every problem of a graph is told', () => {
  const graph = new Graph('broken')
    .task('a', () => 1, { after: 'b' })
    .task('b', () => 1, { after: ['a', 'nobody'] })
  assert.throws(
    () => graph.plan(),
    (error) => {
      assert.ok(error instanceof InvalidDefinition)
      assert.deepEqual(
        error.problems.map((problem) => problem.code),
        ['MISSING_REFERENCE', 'CIRCULAR_DEPENDENCY'],
      )
      return true
    },
  )
  assert.throws(() => graph.task('a', () => 1), { code: 'INVALID_DEFINITION' })
})

test('names may have anything in them', async () => {
  const names = ['a\nb', 'a', 'b', '\0', '\n\0', '✓ ünï', ' ']
  const graph = new Graph()
  for (const name of names) graph.task(name, ({ id }) => id)
  const report = await run(graph)
  assert.deepEqual(report.ids, names)
  for (const name of names) assert.equal(report.get(name), name)
})

test('the store of a caller is seen by its tasks', async () => {
  const storage = new AsyncLocalStorage()
  const seen = []
  const graph = () =>
    new Graph()
      .task('plain', () => void seen.push(storage.getStore()))
      .task('later', async () => (await null, void seen.push(storage.getStore())), { after: 'plain' })
      .task('again', ({ attempt }) => {
        seen.push(storage.getStore())
        if (attempt === 1) throw new Error('again')
      }, { after: 'later', retries: { delayMs: 1 } })
  await Promise.all([storage.run('one', () => run(graph())), storage.run('two', () => run(graph()))])
  assert.deepEqual(seen.sort(), [...Array(4).fill('one'), ...Array(4).fill('two')])
})

test('what others do with a run does not change the store of its tasks', async () => {
  const storage = new AsyncLocalStorage()
  const seen = []
  const see = () => void seen.push(storage.getStore())
  const inTheRun = later()
  const graph = new Graph()
    .task('a', ({ log }) => storage.run('of a', () => log('hello')), { undo: see })
    .task('b', see, { after: 'a' })
    .task('c', () => (inTheRun.resolve(), new Promise(() => {})), { after: 'b' })
  const running = storage.run('caller', () => start(graph, { check: false }))
  await inTheRun.promise
  storage.run('elsewhere', () => running.cancel())
  await running.report()
  assert.deepEqual(seen, ['caller', 'caller'])
})

test('plans tell what follows from a graph', () => {
  const graph = new Graph('plan')
    .task('a', () => 1, { estimateMs: 2000 })
    .task('b', () => 1, { after: 'a' })
    .task('c', () => 1, { after: 'a', estimateMs: 5000 })
  const plan = graph.plan()
  assert.deepEqual(plan.levels, [['a'], ['b', 'c']])
  assert.equal(plan.widest, 2)
  assert.equal(plan.serialMs, 67_000)
  assert.equal(plan.criticalMs, 62_000)
  assert.deepEqual(plan.criticalPath, ['a', 'b'])
  assert.deepEqual(plan.step('b'), { id: 'b', level: 1, estimateMs: 60_000, earliestMs: 2000, slackMs: 0, rank: 1 })
  assert.equal(plan.forecast(1).makespanMs, 67_000)
  assert.match(graph.toMermaid(), /flowchart/)
  assert.match(graph.toHtml(), /<html/)
  assert.equal(JSON.parse(JSON.stringify(graph)).name, 'plan')
})

test('reports have every form', async () => {
  const report = await run(new Graph('forms').task('a', () => 1))
  assert.match(String(report), /forms: succeeded/)
  assert.match(report.toText(), /succeeded/)
  assert.match(report.toHtml(), /<html/)
  assert.match(report.toJUnit(), /<testsuite/)
  assert.ok(JSON.parse(report.toTrace()))
  assert.match(report.toGitHub(), /forms/)
  assert.equal(report.toJSON().state, 'succeeded')
  assert.equal([...report].length, 1)
  assert.throws(() => report.get('nobody'), { code: 'NOT_FOUND' })
})

test('wrong types are named', async () => {
  const graph = new Graph()
  const fn = () => 1
  for (const [call, words] of [
    [() => new Graph(3), '`name` must be a string; got a number'],
    [() => graph.task(1, fn), '`id` must be a string; got a number'],
    [() => graph.task('a'), '`the function of task a` must be a function; got undefined'],
    [() => graph.task('a', fn, null), 'the options of task a'],
    [() => graph.task('a', fn, { after: [1] }), '`after` must be a string; got a number'],
    [() => graph.task('a', fn, { timeoutMs: '5' }), '`timeoutMs` must be a number; got a string'],
    [() => graph.task('a', fn, { retries: 'x' }), '`retries` must be an object; got a string'],
    [() => graph.task('a', fn, { priority: {} }), '`priority` must be a number; got an object'],
    [() => graph.task('a', fn, { timeout: 5 }), 'there is no option `timeout`'],
    [() => start(graph, { maxParallel: '4' }), '`maxParallel` must be a number; got a string'],
    [() => start(graph, { signal: {} }), '`signal` must be an AbortSignal; got an object'],
    [() => start(graph, { onEvent: 1 }), '`onEvent` must be a function; got a number'],
    [() => start(graph, { parallel: 1 }), 'there is no option `parallel`'],
    [() => start(graph, { cache: new Map() }), '`cache` must be a Cache or a ContextManager; got an object'],
    [() => start({}), '`graph` must be a Graph; got an object'],
  ]) {
    assert.throws(call, (error) => {
      assert.ok(error instanceof TypeError && error instanceof InvalidType)
      assert.equal(error.code, 'INVALID_TYPE')
      assert.ok(error.message.includes(words), error.message)
      return true
    })
  }
  await assert.rejects(run(graph, { maxParallel: 0 }), { code: 'INVALID_VALUE' })
})

test('events are published where somebody has subscribed', async () => {
  const heard = []
  const hear = (message) => heard.push(message)
  diagnostics.subscribe('orch:event', hear)
  const running = start(new Graph('told').task('a', () => 1))
  await running.report()
  diagnostics.unsubscribe('orch:event', hear)
  await run(new Graph('untold').task('a', () => 1))
  assert.deepEqual(
    heard.map(({ run, graph, event }) => [run, graph, event.type]),
    ['run_started', 'task_started', 'task_finished', 'run_finished'].map((type) => [running.id, 'told', type]),
  )
})

test('a graph may get more tasks after a run, whose report stays as it was', async () => {
  const graph = new Graph('grows').task('a', () => 1).task('b', () => undefined, { after: ['a'] })
  const before = await run(graph)
  const plan = graph.plan()
  graph.task('c', ({ inputs }) => inputs.b ?? inputs.a, { after: ['a', 'b'] })
  const after = await run(graph)
  assert.deepEqual([before.ids, after.ids], [['a', 'b'], ['a', 'b', 'c']])
  assert.deepEqual([before.get('a'), before.get('b'), after.get('c')], [1, undefined, 1])
  assert.throws(() => before.get('c'), { code: 'NOT_FOUND' })
  assert.throws(() => before.task('c'), { code: 'NOT_FOUND' })
  assert.throws(() => plan.step('c'), { code: 'NOT_FOUND' })
  // What was refused leaves nothing behind.
  assert.throws(() => graph.task('c', () => 3, { after: ['a', 'b'] }), InvalidDefinition)
  assert.throws(() => graph.task('d', () => 4, { after: ['a', 'b', 5] }), InvalidType)
  assert.equal((await run(graph.task('d', ({ inputs }) => Object.keys(inputs), { after: ['c'] }))).get('d').join(), 'c')
})

test('names may have in them whatever stands between names', async () => {
  const names = ['a\nb', 'a', '\n', 'b\n\0', '\n\0\0', 'é\n']
  const graph = new Graph('lines')
  for (const [place, name] of names.entries()) graph.task(name, () => place, { after: names.slice(0, place) })
  const report = await run(graph)
  assert.deepEqual(report.ids, names)
  assert.deepEqual(names.map((name) => report.get(name)), [0, 1, 2, 3, 4, 5])
  assert.equal((await run(new Graph('one').task('\n', () => 1))).get('\n'), 1)
  assert.deepEqual((await run(new Graph('none'))).ids, [])
})

test('more attempts than are heard of by the same listeners, some of which never end', async () => {
  const heard = []
  for (const size of [3, 3000, 3]) {
    const graph = new Graph('many')
    for (let i = 0; i < size; i++) graph.task(`t${i}`, i % 3 === 1 ? () => i : async () => i)
    graph.task('never', () => new Promise(() => {}), { timeoutMs: 1, allowFailure: true })
    const report = await run(graph)
    heard.push(report.counts.succeeded, report.get(`t${size - 1}`), report.get('t0'))
  }
  assert.deepEqual(heard, [3, 2, 0, 3000, 2999, 0, 3, 2, 0])
})

test('how an attempt ends that was given up is not heard as the end of the next', async () => {
  const attempts = [later(), later()]
  const graph = new Graph('again')
  const begun = later()
  graph.task(
    'slow',
    ({ attempt }) => {
      if (attempt === 2) begun.resolve()
      return attempts[attempt - 1].promise
    },
    { timeoutMs: 200, retries: { attempts: 2, delayMs: 0, jitter: false } },
  )
  const report = run(graph)
  await begun.promise
  attempts[0].resolve('first')
  await new Promise(setImmediate)
  attempts[1].resolve('second')
  assert.equal((await report).get('slow'), 'second')
})

test('what ends after its run is not heard by the next', async () => {
  const [old, now] = [later(), later()]
  const failed = new Graph('failed').task('waits', () => old.promise).task('fails', async () => assert.fail('on purpose'))
  await assert.rejects(run(failed), RunFailed)
  const report = run(new Graph('next').task('waits', () => now.promise))
  await new Promise(setImmediate)
  old.resolve('old')
  await new Promise(setImmediate)
  now.resolve('now')
  assert.equal((await report).get('waits'), 'now')
})

test('one step tells any number of events', async () => {
  for (const size of [5, 5000, 5]) {
    const graph = new Graph('wide').task('fails', () => assert.fail('on purpose'))
    for (let i = 0; i < size; i++) graph.task(`t${i}`, () => i, { after: ['fails'] })
    const [heard, read] = [[], []]
    const going = start(graph, { onEvent: (event) => heard.push(event) })
    for await (const event of going) read.push(event)
    assert.deepEqual(heard.map(({ seq }) => seq), Array.from(heard.keys()))
    assert.equal(heard.filter(({ type }) => type === 'task_skipped').length, size)
    assert.equal(heard.at(-1).type, 'run_finished')
    assert.deepEqual(read, heard)
  }
})

test('a listener that lets its run go on at once hears all events, in order', async () => {
  // How much is told in which turn depends on the time that it takes: of some graphs it is as it has to be.
  for (let quick = 1300; quick < 1500; quick += 10) {
    const [full, gate] = [later(), later()]
    const graph = new Graph('wide').task('talks', async ({ log }) => {
      await full.promise
      for (const line of ['one', 'two', 'three']) log(line)
      // The lines are told a turn later. By then there is more to tell, which waits for a reader.
      for (let turn = 0; turn < 9; turn++) await undefined
      gate.resolve()
    })
    for (let i = 0; i < quick; i++) graph.task(`quick ${i}`, () => i)
    for (let i = 0; i < 1500; i++) graph.task(`waits ${i}`, () => gate.promise)
    const [heard, lines] = [[], []]
    const onEvent = (event) => {
      heard.push(event.seq)
      // Nobody reads any more: the run, which waited for a reader, goes on.
      if (event.type === 'task_output' && lines.push(event.text) === 1) going.report()
    }
    const going = start(graph, { onEvent })
    for (let turn = 0; turn < 1000 && (turn < 20 || heard.length <= 4096); turn++) await new Promise(setImmediate)
    assert.ok(heard.length > 4096, 'it waits for a reader')
    full.resolve()
    for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate)
    assert.equal((await going.report()).state, 'succeeded')
    assert.deepEqual(lines, ['one', 'two', 'three'])
    assert.deepEqual(heard, Array.from(heard.keys()))
  }
})

test('a listener may begin, await and cancel runs, and hears all events, in order', async () => {
  const heard = [[], [], []]
  const inner = []
  const abort = new AbortController()
  const runs = [0, 1, 2].map((way) => {
    const graph = new Graph(`outer ${way}`)
    for (let i = 0; i < 1500; i++) graph.task(`t${i}`, async () => i)
    const onEvent = ({ seq, type }) => {
      heard[way].push(seq)
      if (seq % 300 !== 7) return
      const events = []
      const other = new Graph('inner').task('a', async () => 1).task('b', () => 2, { after: ['a'] })
      inner.push(run(other, { onEvent: (event) => events.push(event.seq) }).then(() => events))
      if (type === 'task_finished' && way === 0) abort.abort()
      if (type === 'task_finished' && way === 1) runs[1].cancel()
    }
    return start(graph, { onEvent, check: false, signal: way === 0 ? abort.signal : undefined })
  })
  const reports = await Promise.all(runs.map((run) => run.report()))
  assert.equal(reports[2].state, 'succeeded')
  for (const seqs of heard) assert.deepEqual(seqs, Array.from(seqs.keys()))
  for (const seqs of await Promise.all(inner)) assert.deepEqual(seqs, [0, 1, 2, 3, 4, 5])
  assert.ok(inner.length > 10)
})
