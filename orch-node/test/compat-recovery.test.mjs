import assert from 'node:assert/strict'
import { test } from 'node:test'

import { CircuitBreaker, RecoveryManager } from '@orch-engine/orch/compat'
import { HandClock, told } from './compat-aids.mjs'

function manager(config) {
  const clock = new HandClock()
  const recovery = new RecoveryManager({ ...config, clock })
  const names = ['sagaStarted', 'sagaCompleted', 'compensationStarted', 'compensationFailed', 'retryAttempt', 'circuitOpened', 'circuitClosed', 'circuitHalfOpen', 'checkpointCreated']
  return { clock, recovery, events: told(recovery, names) }
}

/** Fails so often, then answers. */
function failing(times, message = 'connection reset') {
  const fn = async () => {
    fn.calls++
    if (fn.calls <= times) throw new Error(`${message} ${fn.calls}`)
    return 'made'
  }
  fn.calls = 0
  return fn
}

test('the defaults of the contract', () => {
  const { recovery } = manager()
  const { maxAttempts, initialDelay, maxDelay, backoffMultiplier } = recovery.getRetryConfig('any')
  assert.deepEqual({ maxAttempts, initialDelay, maxDelay, backoffMultiplier }, { maxAttempts: 3, initialDelay: 1000, maxDelay: 30000, backoffMultiplier: 2 })
  assert.deepEqual(new CircuitBreaker().config, { failureThreshold: 5, successThreshold: 2, resetTimeout: 60000, monitoringPeriod: 300000 })
  assert.throws(() => recovery.setRetryConfig('a', { maxAttempts: 0 }), /`maxAttempts` is 0/)
  assert.throws(() => recovery.setRetryConfig('a', { maxAttempts: 1.5 }), TypeError)
  assert.throws(() => recovery.setRetryConfig('a', { initialDelay: -1 }), TypeError)
})

test('again after 1 s and 2 s, never more often than the configuration says', async () => {
  const { recovery, clock, events } = manager()
  const fn = failing(2)
  const made = recovery.executeWithRetry('fetch', fn)
  await clock.advance(0)
  assert.deepEqual([fn.calls, clock.waiting], [1, [1000]])
  await clock.advance(1000)
  assert.deepEqual([fn.calls, clock.waiting], [2, [2000]])
  await clock.advance(2000)
  assert.equal(await made, 'made')
  assert.deepEqual(events.names, ['retryAttempt', 'retryAttempt'])
  const { actionId, attempt, maxAttempts, delay } = events.data[1]
  assert.deepEqual({ actionId, attempt, maxAttempts, delay }, { actionId: 'fetch', attempt: 3, maxAttempts: 3, delay: 2000 })

  const hopeless = failing(9)
  const refused = recovery.executeWithRetry('fetch', hopeless)
  refused.catch(() => {})
  await clock.advance(60_000)
  await assert.rejects(refused, /connection reset 3/)
  assert.equal(hopeless.calls, 3)
  assert.equal(recovery.getStats().retriesExhausted, 1)
})

test('a configuration of its own: capped waits, named errors, none', async () => {
  const { recovery, clock } = manager()
  recovery.setRetryConfig('slow', { maxAttempts: 5, initialDelay: 20_000 })
  const refused = recovery.executeWithRetry('slow', failing(9))
  refused.catch(() => {})
  await clock.advance(0)
  const waits = []
  while (clock.waiting.length > 0) {
    waits.push(clock.waiting[0])
    await clock.advance(clock.waiting[0])
  }
  assert.deepEqual(waits, [20_000, 30_000, 30_000, 30_000])
  recovery.setRetryConfig('named', { retryableErrors: ['timeout'] })
  const fn = failing(9, 'syntax error')
  await assert.rejects(recovery.executeWithRetry('named', fn))
  assert.equal(fn.calls, 1)
  const off = manager({ enableRetry: false }).recovery
  const once = failing(1)
  await assert.rejects(off.executeWithRetry('x', once))
  assert.equal(once.calls, 1)
})

test('the first form: 2 s and 4 s, and its last words', async () => {
  const { recovery, clock } = manager()
  const node = { id: 'n', agent: 'reader', inputs: [], outputs: [], phase: 1 }
  await assert.rejects(recovery.retry(node, {}), { code: 'MISUSE' })
  const calls = []
  recovery.setAgentExecutor({
    execute: async (...given) => {
      calls.push(given)
      throw new Error('no')
    },
  })
  const refused = recovery.retry(node, { c: 1 })
  refused.catch(() => {})
  await clock.advance(0)
  const waits = []
  while (clock.waiting.length > 0) {
    waits.push(clock.waiting[0])
    await clock.advance(clock.waiting[0])
  }
  assert.deepEqual(waits, [2000, 4000])
  await assert.rejects(refused, { message: 'Max retries exceeded for reader: no' })
  assert.deepEqual(calls[0], ['reader', '', { c: 1 }])

  const handled = recovery.handleFailure(node, {}, new Error('first'))
  await clock.advance(10_000)
  const { recovered, success, cause } = await handled
  assert.deepEqual([recovered, success, cause.message], [false, false, 'first'])
  recovery.setAgentExecutor(async () => 'made')
  assert.equal((await recovery.handleFailure(node, {}, new Error('x'))).outputs, 'made')
})

test('five failures in a row open a circuit; two probes close it', async () => {
  const { recovery, clock, events } = manager()
  const call = (fn) => recovery.executeWithCircuitBreaker('api', fn)
  const bad = () => call(async () => Promise.reject(new Error('down')))
  for (let i = 0; i < 4; i++) await assert.rejects(bad, /down/)
  assert.equal(recovery.getCircuitBreaker('api').state, 'closed')
  await assert.rejects(bad, /down/)
  assert.deepEqual(events.names, ['circuitOpened'])
  assert.equal(events.data[0].actionId, 'api')
  let called = false
  await assert.rejects(call(async () => (called = true)), { code: 'CIRCUIT_OPEN', name: 'CircuitOpenError', retryIn: 60000 })
  assert.equal(called, false)
  await clock.advance(59_999)
  await assert.rejects(call(async () => 1), { code: 'CIRCUIT_OPEN' })
  await clock.advance(1)
  assert.equal(await call(async () => 1), 1)
  assert.equal(recovery.getCircuitBreaker('api').getState(), 'half-open')
  assert.equal(await call(async () => 2), 2)
  assert.deepEqual(events.names, ['circuitOpened', 'circuitHalfOpen', 'circuitClosed'])
  assert.deepEqual(recovery.getStats().circuitBreakers, { api: 'closed' })
})

test('a circuit is closed by hand, forgets old failures, and can be another one', async () => {
  const { recovery, clock, events } = manager({ circuitBreaker: { failureThreshold: 2, monitoringPeriod: 1000 } })
  const bad = () => recovery.executeWithCircuitBreaker('api', () => Promise.reject(new Error('down')))
  await assert.rejects(bad)
  await clock.advance(1001)
  await assert.rejects(bad)
  assert.deepEqual(events.names, [])
  await assert.rejects(bad)
  assert.deepEqual(events.names, ['circuitOpened'])
  recovery.resetCircuitBreaker('api')
  recovery.resetCircuitBreaker('unknown')
  assert.deepEqual(events.names, ['circuitOpened', 'circuitClosed'])
  recovery.setCircuitBreaker('api', new CircuitBreaker({ failureThreshold: 1, clock }))
  await assert.rejects(bad)
  assert.equal(events.names.at(-1), 'circuitOpened')
  const off = manager({ enableCircuitBreaker: false }).recovery
  for (let i = 0; i < 9; i++) await assert.rejects(off.executeWithCircuitBreaker('x', failing(1)), /connection/)
})

test('a saga undoes what worked, the latest first, and not what failed', async () => {
  const { recovery, events } = manager()
  const done = []
  const step = (id, fails = false) => ({
    id,
    execute: async (context) => {
      done.push(`+${id}`)
      if (fails) throw new Error(`${id} failed`)
      return context.base + id
    },
    compensate: async (_, result) => done.push(`-${id} ${result}`),
  })
  const steps = [step('a'), { name: 'plain', execute: () => 1 }, step('b'), step('c', true), step('d')]
  const result = await recovery.executeSaga(steps, { base: 'x' })
  assert.deepEqual(done, ['+a', '+b', '+c', '-b xb', '-a xa'])
  assert.deepEqual([result.success, result.completedSteps, result.compensatedSteps, result.failedStep], [false, ['a', 'plain', 'b'], ['b', 'a'], 'c'])
  assert.equal(result.error.message, 'c failed')
  assert.deepEqual(events.names, ['sagaStarted', 'compensationStarted', 'compensationStarted', 'sagaCompleted'])
  const good = await recovery.executeSaga([step('a')], { base: 'y' })
  assert.deepEqual([good.success, good.results], [true, { a: 'ya' }])
  assert.deepEqual([recovery.getStats().sagasExecuted, recovery.getStats().sagasFailed], [2, 1])
})

test('a compensation that fails keeps the others from nothing, and steps may run side by side', async () => {
  const { recovery, events } = manager()
  const undone = []
  const result = await recovery.executeSaga([
    { id: 'a', execute: () => 1, compensate: () => undone.push('a') },
    { id: 'b', dependencies: ['a'], execute: () => 1, compensate: () => { throw new Error('stuck') } },
    { id: 'c', dependencies: ['a'], execute: () => { throw new Error('no') } },
    { id: 'd', dependencies: ['b'], execute: () => undone.push('never') },
  ])
  assert.deepEqual(undone, ['a'])
  assert.deepEqual(result.completedSteps, ['a', 'b'], 'what runs beside a failure ends before anything is undone')
  assert.deepEqual(result.errors.map((error) => error.message), ['no', 'stuck'])
  assert.ok(events.names.includes('compensationFailed'))
  await assert.rejects(recovery.executeSaga([{ id: 'x' }]), /`execute` of the step `x` must be a function/)
  await assert.rejects(recovery.executeSaga('x'), /must be an array/)
  await assert.rejects(recovery.executeSaga([{ id: 'x', execute() {}, dependencies: ['y'] }]), { code: 'INVALID_DEFINITION' })
  assert.equal((await recovery.executeSaga([])).success, true)
  const off = manager({ enableSaga: false }).recovery
  const kept = await off.executeSaga([{ id: 'a', execute: () => 1, compensate: () => undone.push('never') }, { execute: () => Promise.reject(new Error('no')) }])
  assert.deepEqual([kept.compensatedSteps, kept.failedStep], [[], 'step-2'])
})

test('checkpoints, and the way back to one', async () => {
  const { recovery, events } = manager()
  const undone = []
  recovery.recordCompletion('a', () => undone.push('a'))
  const made = recovery.createCheckpoint('c', ['a'], { k: 1 })
  assert.equal(recovery.restoreCheckpoint('c'), made)
  assert.deepEqual([made.id, made.completedSteps, made.context.data], ['c', ['a'], { k: 1 }])
  assert.throws(() => made.completedSteps.push('x'), TypeError)
  recovery.recordCompletion('b', () => undone.push('b'))
  recovery.recordCompletion('no undo')
  recovery.recordCompletion('d', () => undone.push('d'))
  assert.equal(await recovery.rollback('c'), made)
  assert.deepEqual(undone, ['d', 'b'])
  await recovery.rollback('c')
  assert.deepEqual(undone, ['d', 'b'], 'once is enough')
  assert.deepEqual(events.names, ['checkpointCreated', 'compensationStarted', 'compensationStarted'])
  assert.equal(recovery.getCheckpoints().length, 1)
  recovery.clearCheckpoints()
  assert.throws(() => recovery.restoreCheckpoint('c'), { code: 'NOT_FOUND' })
})
