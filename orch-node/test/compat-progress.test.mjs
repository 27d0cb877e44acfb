import assert from 'node:assert/strict'
import { mock, test } from 'node:test'

import { DAGBuilder, ProgressTracker, TodoWriteAdapter } from '@orch-engine/orch/compat'
import { HandClock, gate, reviewAll, settled, told, v2 } from './compat-aids.mjs'

const EVENTS = ['progressUpdated', 'todosGenerated', 'completionFinished']

function tracker(config) {
  const clock = new HandClock()
  const made = new ProgressTracker({ ...config, clock })
  return { clock, progress: made, events: told(made, EVENTS) }
}

const dag = () => new DAGBuilder().buildDAG(reviewAll())
const show = (todos) => todos.map(({ content, status }) => `${{ pending: ' ', in_progress: '>', completed: 'x' }[status]} ${content}`)

test('the todo list of the demo, in the exact schema', async () => {
  const { progress, events } = tracker()
  await progress.initialize(dag(), '/review-all')
  assert.deepEqual(show(progress.getTodos()), [
    '  Initialize /review-all',
    '  Level 0: Execute 1 agents in parallel',
    '    └─ codebase-analyzer',
    '  Level 1: Execute 5 agents in parallel',
    '    └─ quality-reviewer',
    '    └─ best-practices-reviewer',
    '    └─ architecture-reviewer',
    '    └─ performance-reviewer',
    '    └─ security-reviewer',
    '  Level 2: Execute 1 agents in parallel',
    '    └─ senior-reviewer',
  ].map((line, at) => (at === 0 ? line.replace(/^ /, 'x') : line)))
  for (const todo of progress.getTodos()) {
    assert.deepEqual(Object.keys(todo).sort(), ['activeForm', 'content', 'status'])
    for (const field of Object.values(todo)) assert.equal(typeof field, 'string')
  }
  assert.deepEqual(events.names, ['todosGenerated'])
  assert.equal(events.data[0].count, 11)
})

test('nodes are known by their place, not by how their names begin', async () => {
  const { progress } = tracker()
  const many = Array.from({ length: 12 }, (_, nth) => [`n${nth}`, nth === 0 ? [] : [`n${nth - 1}`]])
  await progress.initialize(new DAGBuilder().buildDAG(v2(many)), '/x')
  for (const [id] of many.slice(0, 1)) await progress.markCompleted(id)
  await progress.markStarted('n1')
  const todos = show(progress.getTodos())
  assert.ok(todos.includes('x Level 0: Execute 1 agents in parallel'))
  assert.ok(todos.includes('> Level 1: Execute 1 agents in parallel'))
  assert.ok(todos.includes('  Level 10: Execute 1 agents in parallel'))
})

test('counts, percent and the estimate of the rest', async () => {
  const { progress, clock, events } = tracker()
  assert.deepEqual(progress.getStats().total, 0)
  await assert.rejects(progress.markStarted('a'), { code: 'MISUSE' })
  const estimate = { estimatedTime: 10_000 }
  await progress.initialize(new DAGBuilder().buildDAG(v2([['a', []], ['b', ['a']], ['c', ['b']], ['d', ['c']]], { a: estimate, b: estimate, c: estimate, d: estimate })))
  const stats = () => {
    const { total, pending, inProgress, completed, percentComplete, estimatedTimeRemaining } = progress.getStats()
    return [total, pending, inProgress, completed, percentComplete, estimatedTimeRemaining]
  }
  assert.deepEqual(stats(), [4, 4, 0, 0, 0, 40_000])
  await progress.markStarted('a')
  await clock.advance(4000)
  assert.deepEqual(stats(), [4, 3, 1, 0, 0, 36_000])
  await clock.advance(16_000)
  await progress.markCompleted('a')
  assert.deepEqual(stats(), [4, 3, 0, 1, 25, 60_000], 'tasks take twice their estimates')
  await progress.update({ levelStarted: 1, nodeStarted: 'b' })
  await progress.update({ nodeCompleted: 'b', levelCompleted: 1 })
  await progress.update({ levelCompleted: 2 })
  assert.deepEqual(stats().slice(0, 5), [4, 1, 0, 3, 75])
  assert.equal(events.names.filter((name) => name === 'progressUpdated').length, 5)
  await assert.rejects(progress.markStarted('nobody'), { code: 'NOT_FOUND' })
  await assert.rejects(progress.update({ levelStarted: 9 }), /there is no level 9/)
})

test('a failure is not reported as completed', async () => {
  const { progress, events } = tracker()
  await progress.initialize(new DAGBuilder().buildDAG(v2([['a', []], ['b', ['a']]])), '/x')
  await progress.markFailed('a', new Error('boom'))
  await progress.update({ nodeSkipped: 'b', stopped: true })
  await progress.complete({ success: false, totalTime: 7 })
  const todos = progress.getTodos()
  assert.deepEqual(show(todos), ['x Initialize /x', '> Level 0: Execute 1 agents in parallel', '>   └─ a-agent', '  Level 1: Execute 1 agents in parallel', '    └─ b-agent'])
  assert.equal(todos[2].activeForm, 'Failed: Error: boom')
  const { completed, failed, percentComplete, estimatedTimeRemaining } = progress.getStats()
  assert.deepEqual([completed, failed, percentComplete, estimatedTimeRemaining], [0, 1, 0, 0])
  const { success, totalTime } = events.data.at(-1)
  assert.deepEqual([events.names.at(-1), success, totalTime], ['completionFinished', false, 7])
})

test('the end says how long it took', async () => {
  const { progress } = tracker()
  await progress.initialize(new DAGBuilder().buildDAG(v2([['a', []]])), '/x')
  await progress.markCompleted('a')
  await progress.complete({ success: true, executionTime: 8540 })
  assert.equal(show(progress.getTodos()).at(-1), 'x ✅ Completed in 8.5s')
})

test('one item at a time, by phase, or flat', async () => {
  const list = async (config) => {
    const { progress } = tracker(config)
    await progress.initialize(dag())
    await progress.markCompleted('codebase-analyzer')
    await progress.markStarted('quality-reviewer')
    await progress.markStarted('security-reviewer')
    return show(progress.getTodos())
  }
  const strict = await list({ todoMode: 'strict' })
  assert.deepEqual(strict.filter((line) => line.startsWith('>')), ['> Level 1: Execute 5 agents in parallel'])
  assert.equal((await list({})).filter((line) => line.startsWith('>')).length, 3)
  const phases = await list({ groupByPhase: true })
  assert.deepEqual(phases.slice(1, 4), ['x Analysis: Execute 1 agents', 'x   └─ codebase-analyzer', '> Review: Execute 5 agents'])
  const flat = await list({ todoWrite: { enableGrouping: false } })
  assert.deepEqual(flat.slice(0, 3), ['x Initialize /review-all', 'x codebase-analyzer', '> quality-reviewer'])
})

test('the bridge: the whole list each time, the latest after 500 ms', async () => {
  const { progress, clock } = tracker()
  assert.deepEqual([progress.config.batchDelay, progress.config.batchSize], [500, 10])
  const written = []
  progress.setTodoWriteAPI({ async write(todos) { written.push(todos) } })
  await progress.initialize(dag(), '/review-all')
  await progress.markStarted('codebase-analyzer')
  await clock.advance(499)
  assert.equal(written.length, 0)
  await clock.advance(1)
  assert.equal(written.length, 1)
  assert.equal(written[0].length, 11, 'not in batches of ten: each list replaces the one before')
  assert.equal(written[0][2].status, 'in_progress')
  await clock.advance(10_000)
  assert.equal(written.length, 1, 'nothing new, nothing told')
  await progress.markCompleted('codebase-analyzer')
  await progress.complete({ success: true, totalTime: 12_345 })
  assert.equal(written.length, 2, 'the end does not wait')
  assert.equal(written[1].at(-1).content, '✅ Completed in 12.3s')
})

test('the bridge by the timers of Node', async () => {
  mock.timers.enable({ apis: ['setTimeout'] })
  try {
    const written = []
    const adapter = new TodoWriteAdapter((todos) => written.push(todos))
    adapter.write([1])
    adapter.write([1, 2])
    mock.timers.tick(499)
    assert.deepEqual(written, [])
    mock.timers.tick(1)
    assert.deepEqual(written, [[1, 2]])
  } finally {
    mock.timers.reset()
  }
})

test('never two lists at once; one that could not be given is tried again, and not for ever', async () => {
  const clock = new HandClock()
  let answer = gate()
  const written = []
  const adapter = new TodoWriteAdapter({ write: (todos) => (written.push(todos), answer.promise) }, { clock, batchDelay: 100 })
  adapter.write(['a'])
  await clock.advance(100)
  adapter.write(['b'])
  adapter.write(['c'])
  await clock.advance(1000)
  assert.deepEqual(written, [['a']])
  answer.open()
  answer = gate()
  await clock.advance(100)
  assert.deepEqual(written, [['a'], ['c']])
  const warned = new Promise((resolve) => process.once('warning', resolve))
  answer.promise.catch(() => {})
  answer.fail(new Error('offline'))
  await clock.advance(100)
  await clock.advance(100_000)
  assert.equal(written.length, 5, 'three more times')
  assert.match((await warned).message, /offline/)
  answer = gate()
  answer.open()
  adapter.setBatchDelay(0)
  adapter.setBatchSize(20)
  await adapter.clear()
  assert.deepEqual(written.at(-1), [])
  await adapter.flush()
  assert.equal(written.length, 6)
})

test('nobody is written to where that is switched off', async () => {
  for (const off of [{ enableTodoWrite: false }, { autoGenerateTodos: false }]) {
    const { progress, clock } = tracker(off)
    progress.setTodoWriteAPI({ write: () => assert.fail('written') })
    await progress.initialize(dag())
    await clock.advance(1000)
    await progress.complete({ success: true })
  }
  assert.throws(() => tracker().progress.setTodoWriteAPI({}), /a function or an object with `write`/)
  const { progress } = tracker()
  progress.configureTodoWrite({ batchSize: 3, batchDelay: 7 })
  assert.deepEqual([progress.config.batchSize, progress.config.batchDelay], [3, 7])
  await settled()
})
