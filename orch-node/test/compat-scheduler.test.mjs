import assert from 'node:assert/strict'
import { test } from 'node:test'

import { CommandLoader, DAGBuilder, OrchestrationEngine, ParallelScheduler, createContext } from '@orch-engine/orch/compat'
import { agent, gate, reviewAll, settled, told, v2 } from './compat-aids.mjs'

const EVENTS = [
  'executionStarted',
  'executionCompleted',
  'executionFailed',
  'levelStarted',
  'levelCompleted',
  'nodeStarted',
  'nodeCompleted',
  'nodeFailed',
  'nodeSkipped',
  'retryAttempt',
  'compensationStarted',
  'compensationFailed',
  'checkpointCreated',
]

function scheduler(executor, config) {
  const made = new ParallelScheduler({ ...config, executor })
  return { scheduler: made, events: told(made, EVENTS) }
}

const build = (definition) => new DAGBuilder().buildDAG(definition)

test('the defaults of the contract', () => {
  const { maxParallelism, enableCheckpoints, timeout } = new ParallelScheduler().config
  assert.deepEqual([maxParallelism, enableCheckpoints, timeout], [5, true, 300000])
  assert.throws(() => new ParallelScheduler({ maxParallelism: 0 }), /`maxParallelism` is 0/)
  assert.throws(() => new ParallelScheduler({ maxParallelism: '5' }), TypeError)
})

test('every event, in order', async () => {
  const { scheduler: made, events } = scheduler(async () => 1)
  await made.execute(build(v2([['a', []], ['b', ['a']]])), {})
  assert.deepEqual(events.names, [
    'executionStarted',
    'checkpointCreated',
    'levelStarted',
    'nodeStarted',
    'nodeCompleted',
    'levelCompleted',
    'checkpointCreated',
    'levelStarted',
    'nodeStarted',
    'nodeCompleted',
    'levelCompleted',
    'executionCompleted',
  ])
  const { nodeId, agent: name, phase, level, success, result } = events.data[4]
  assert.deepEqual([nodeId, name, phase, level, success, result], ['a', 'a-agent', 1, 0, true, 1])
  const ids = new Set(events.data.map((data) => data.executionId))
  assert.equal(ids.size, 1)
})

test('the limit is enforced: never more at once, also in a level of many', async () => {
  for (const limit of [1, 3, 5]) {
    let running = 0
    let most = 0
    const { scheduler: made } = scheduler(
      async () => {
        most = Math.max(most, ++running)
        await new Promise((resolve) => setImmediate(resolve))
        running--
      },
      { maxParallelism: limit },
    )
    const result = await made.execute(build(v2(Array.from({ length: 20 }, (_, nth) => [`n${nth}`, []]))))
    assert.deepEqual([result.success, most], [true, limit])
  }
})

test('a node waits for its own dependencies, not for a level', async () => {
  const slow = gate()
  const { scheduler: made, events } = scheduler(async (agentId) => (agentId === 'slow-agent' ? slow.promise : agentId))
  const execution = made.execute(build(v2([['slow', []], ['a', []], ['after-a', ['a']]])))
  await settled()
  assert.ok(events.data.some((data) => data.nodeId === 'after-a' && data.success))
  assert.equal(events.names.includes('levelCompleted'), true, 'level 1 before level 0')
  slow.open()
  assert.equal((await execution).success, true)
})

test('agents get their task and a context of what was made before them', async () => {
  'use strict'
  const seen = {}
  const dag = build(
    v2([['a', []], ['b', ['a']], ['c', ['b']]], {
      a: { context: { outputs: [{ key: 'key' }] } },
      b: { context: { inputs: [{ key: 'key' }, { key: 'opt', required: false, default: 0 }], outputs: [{ key: 'x' }, { key: 'y' }] } },
    }),
  )
  const { scheduler: made } = scheduler(async (agentId, task, context, call) => {
    seen[agentId] = { task, data: { ...context.data }, call, context }
    if (agentId === 'a-agent') return { files: 3 }
    return agentId === 'b-agent' ? { x: 1, y: [2], z: 3 } : 'end'
  })
  const context = createContext({ command: '/x', data: { given: true } })
  const result = await made.execute(dag, context)
  assert.deepEqual(seen['a-agent'].data, { given: true })
  assert.equal(seen['a-agent'].task, 'do a')
  assert.deepEqual([seen['b-agent'].data.key, seen['b-agent'].data.a, seen['b-agent'].data.given, seen['b-agent'].data.opt], [{ files: 3 }, { files: 3 }, true, 0])
  assert.deepEqual([seen['c-agent'].data.x, seen['c-agent'].data.y], [1, [2]])
  assert.equal(seen['c-agent'].context.parent, context)
  assert.throws(() => (seen['c-agent'].context.data.y[0] = 5), TypeError)
  const { nodeId, attempt, executionId, signal } = seen['b-agent'].call
  assert.deepEqual([nodeId, attempt, executionId, signal.aborted], ['b', 1, result.executionId, false])
  assert.deepEqual([...result.nodeResults[1].outputs], [['x', 1], ['y', [2]]])
  assert.deepEqual(result.context.data.c, 'end')
  assert.deepEqual(result.context.metadata.analyzedBy, ['a-agent', 'b-agent', 'c-agent'])
})

test('an executor is a function or an object with `execute`', async () => {
  const dag = build(v2([['a', []]]))
  class Own {
    value = 7
    execute() {
      return this.value
    }
  }
  assert.equal((await scheduler(new Own()).scheduler.execute(dag)).nodeResults[0].output, 7)
  assert.equal((await scheduler(() => 8).scheduler.execute(dag)).nodeResults[0].output, 8)
  for (const bad of [null, {}, 7, 'x']) assert.throws(() => new ParallelScheduler().setAgentExecutor(bad), /function or an object with `execute`/)
  await assert.rejects(new ParallelScheduler().execute(dag), { code: 'MISUSE' })
})

test('a failure is told as one: nothing after it runs, others that run end first', async () => {
  const beside = gate()
  const { scheduler: made, events } = scheduler(async (agentId, _task, _context, { signal }) => {
    if (agentId === 'bad-agent') throw Object.assign(new Error('boom'), { mine: true })
    if (agentId === 'beside-agent') {
      signal.addEventListener('abort', () => beside.fail(new Error('stopped')))
      await beside.promise
    }
    return 1
  })
  const result = await made.execute(build(v2([['bad', []], ['beside', []], ['after', ['bad']]])))
  assert.equal(result.success, false)
  assert.deepEqual(result.errors.map((error) => [error.message, error.mine]), [['boom', true]], 'the very error')
  assert.deepEqual(result.nodeResults.map(({ nodeId, status }) => [nodeId, status]), [['bad', 'failed'], ['beside', 'cancelled'], ['after', 'cancelled']])
  assert.equal(events.names.filter((name) => name === 'nodeFailed').length, 1)
  assert.equal(events.names.at(-1), 'executionFailed')
  assert.equal(events.names.includes('executionCompleted'), false)
  const level = events.data[events.names.indexOf('levelCompleted')]
  assert.equal(level.success, false)
  assert.equal(events.data[events.names.indexOf('nodeFailed')].error, 'Error: boom')
})

test('or goes on with what does not need it', async () => {
  const { scheduler: made } = scheduler(async (agentId) => {
    if (agentId === 'bad-agent') throw new Error('boom')
  })
  const result = await made.execute(build(v2([['bad', []], ['other', []], ['more', ['other']], ['after', ['bad']]])), {}, { continueOnError: true })
  assert.deepEqual([result.success, result.nodeResults.map(({ status }) => status)], [false, ['failed', 'succeeded', 'succeeded', 'cancelled']])
})

test('whatever is thrown is an error', async () => {
  for (const thrown of ['text', undefined, null, { code: 7 }, Symbol('s')]) {
    const { scheduler: made } = scheduler(async () => Promise.reject(thrown))
    const result = await made.execute(build(v2([['a', []]])))
    assert.equal(result.success, false)
    assert.ok(result.errors[0] instanceof Error)
  }
})

test('what was done is undone by its own function, the latest first, and what failed is not', async () => {
  const undone = []
  const definition = reviewAll()
  definition.phases = [
    { number: 1, name: 'One', dependencies: [], agents: [{ ...agent('a', [], ['x']), compensate: (context, value) => undone.push(['a', value]) }] },
    { number: 2, name: 'Two', dependencies: [], agents: [{ ...agent('b', ['x'], ['y']), compensate: () => undone.push(['b']) }] },
    { number: 3, name: 'Three', dependencies: [], agents: [{ ...agent('c', ['y'], []), compensate: () => undone.push(['c']) }] },
  ]
  const { scheduler: made, events } = scheduler(async (agentId) => {
    if (agentId === 'c') throw new Error('boom')
    return `made ${agentId}`
  })
  await made.execute(build(definition))
  assert.deepEqual(undone, [['b'], ['a', 'made a']])
  assert.equal(events.names.filter((name) => name === 'compensationStarted').length, 2)
})

test('or by the agent that the definition names', async () => {
  const calls = []
  const compensation = { type: 'custom', description: 'take it back', agentId: 'undoer', task: 'undo a' }
  const { scheduler: made } = scheduler(async (agentId, task, _context, { compensation: undoes }) => {
    calls.push([agentId, task, undoes === true])
    if (agentId === 'b-agent') throw new Error('boom')
  })
  await made.execute(build(v2([['a', []], ['b', ['a']]], { a: { compensation } })))
  assert.deepEqual(calls, [['a-agent', 'do a', false], ['b-agent', 'do b', false], ['undoer', 'undo a', true]])
  calls.length = 0
  const { scheduler: off } = scheduler(async (agentId) => {
    calls.push(agentId)
    if (agentId === 'b-agent') throw new Error('boom')
  }, { enableSaga: false })
  await off.execute(build(v2([['a', []], ['b', ['a']]], { a: { compensation } })))
  assert.deepEqual(calls, ['a-agent', 'b-agent'])
})

test('retries of the definition, conditions, and skipped nodes', async () => {
  let calls = 0
  const retryPolicy = { maxAttempts: 3, strategy: 'immediate', jitter: false }
  const skipCondition = { type: 'context', expression: 'quick === true' }
  const { scheduler: made, events } = scheduler(async (agentId) => {
    if (agentId === 'a-agent' && ++calls < 3) throw new Error('again')
    return agentId
  })
  const dag = build(v2([['a', []], ['b', ['a']], ['c', ['b']]], { a: { retryPolicy }, b: { skipCondition } }))
  const result = await made.execute(dag, { quick: true })
  assert.deepEqual([result.success, calls], [true, 3])
  assert.deepEqual(result.nodeResults.map(({ status }) => status), ['succeeded', 'skipped', 'succeeded'])
  assert.equal(events.names.filter((name) => name === 'retryAttempt').length, 2)
  assert.equal(events.data[events.names.indexOf('nodeSkipped')].reason, 'condition')
  calls = 0
  const { scheduler: off } = scheduler(async () => Promise.reject(new Error('no')), { enableRetry: false })
  assert.equal((await off.execute(dag, {})).success, false)
})

test('a node has only so long', async () => {
  let aborted = false
  const { scheduler: made } = scheduler((_agent, _task, _context, { signal }) => {
    signal.addEventListener('abort', () => (aborted = true))
    return new Promise(() => {})
  }, { timeout: 1 })
  const result = await made.execute(build(v2([['a', []]])))
  assert.deepEqual([result.success, result.nodeResults[0].status, aborted], [false, 'failed', true])
  assert.match(result.errors[0].message, /1 ms|1ms|longer/)
})

test('an execution can be stopped', async () => {
  for (const when of ['before', 'while']) {
    const stop = new AbortController()
    if (when === 'before') stop.abort(new Error('enough'))
    const { scheduler: made } = scheduler(() => {
      stop.abort(new Error('enough'))
      return new Promise(() => {})
    })
    const result = await made.execute(build(v2([['a', []], ['b', ['a']]])), {}, { signal: stop.signal })
    assert.equal(result.success, false)
    assert.equal(result.errors[0].code, 'CANCELLED')
    assert.match(result.errors[0].message, /enough/)
  }
})

test('a checkpoint before each level; going on from one runs only the rest', async () => {
  let fail = true
  const calls = []
  const { scheduler: made, events } = scheduler(async (agentId, _task, context) => {
    calls.push(agentId)
    if (agentId === 'c-agent' && fail) throw new Error('boom')
    return agentId === 'c-agent' ? context.data.b : agentId
  })
  const dag = build(v2([['a', []], ['b', ['a']], ['c', ['b']]]))
  const failed = await made.execute(dag, { k: 1 })
  assert.equal(failed.checkpoints.length, 3)
  const checkpoints = made.getCheckpoints()
  assert.deepEqual(checkpoints.map(({ level, completed }) => [level, completed]), [[0, []], [1, ['a']], [2, ['a', 'b']]])
  assert.deepEqual(checkpoints[2].context.data, { k: 1 })
  assert.equal(events.data[events.names.indexOf('checkpointCreated')].checkpointId, failed.checkpoints[0])
  calls.length = 0
  fail = false
  const resumed = await made.resumeFromCheckpoint(failed.checkpoints[2], dag)
  assert.deepEqual([calls, resumed.success, resumed.nodeResults[0].output], [['c-agent'], true, 'b-agent'], 'with what was made before')
  await assert.rejects(made.resumeFromCheckpoint('none', dag), { code: 'NOT_FOUND' })
  made.clearCheckpoints()
  assert.deepEqual(made.getCheckpoints(), [])
  const { scheduler: off } = scheduler(async () => 1, { enableCheckpoints: false })
  assert.deepEqual((await off.execute(dag)).checkpoints, [])
})

test('one agent several times at once, and results that cannot be JSON', async () => {
  const ring = {}
  ring.self = ring
  const values = { a: 10n, b: ring, c: () => 1, d: undefined, e: new Map([[1, 2]]) }
  const { scheduler: made } = scheduler(async (_agent, _task, _context, { nodeId }) => values[nodeId])
  const same = Object.fromEntries(Object.keys(values).map((id) => [id, { agentId: 'same' }]))
  const result = await made.execute(build(v2([...Object.keys(values).map((id) => [id, []]), ['z', Object.keys(values)]], same)), { big: 1n })
  assert.deepEqual([result.success, result.errors], [true, []])
  for (const { nodeId, output } of result.nodeResults) assert.equal(output, values[nodeId])
})

test('a listener that throws ends nothing', async () => {
  const warned = new Promise((resolve) => process.once('warning', resolve))
  const { scheduler: made } = scheduler(async () => 1)
  made.on('nodeStarted', () => {
    throw new Error('listener')
  })
  assert.equal((await made.execute(build(v2([['a', []]])))).success, true)
  assert.match((await warned).message, /a listener of `nodeStarted` threw/)
})

test('a definition that grows while it runs', async () => {
  const definition = v2([['planner', []], ['end', ['work']]])
  definition.phases = [
    { id: 'plan', name: 'Plan', agents: [{ id: 'planner', agentId: 'planner', task: 'plan', dependencies: [], outputs: { tasks: 'array' } }] },
    { id: 'work', name: 'Work', dynamic: true, dynamicAgents: { source: 'context.planner.tasks', mapping: { id: 'task.id', name: 'task.who', task: 'task.what' } }, agents: [] },
    { id: 'end', name: 'End', agents: [{ id: 'end', agentId: 'ender', task: 'end', dependencies: [] }] },
  ]
  const calls = []
  const engine = new OrchestrationEngine({
    executor: async (agentId, task) => {
      calls.push(`${agentId}: ${task}`)
      return agentId === 'planner' ? { tasks: [{ id: 'x', who: 'worker', what: 'dig' }, { id: 'y', who: 'worker', what: 'fill' }] } : agentId
    },
  })
  const result = await engine.execute(new CommandLoader().loadProgrammatic(definition))
  engine.close()
  assert.equal(result.success, true)
  assert.deepEqual(calls.toSorted(), ['ender: end', 'planner: plan', 'worker: dig', 'worker: fill'])
})
