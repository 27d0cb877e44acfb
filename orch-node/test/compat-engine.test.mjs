import assert from 'node:assert/strict'
import { test } from 'node:test'

import { CircuitBreaker, CommandLoader, MetricsCollector, OrchestrationEngine, isRetryable, promptOf } from '@orch-engine/orch/compat'
import { HandClock, gate, reviewAll, settled, toldAll, v2 } from './compat-aids.mjs'

function engine(t, executor, config) {
  const made = new OrchestrationEngine({ executor, ...config })
  t.after(() => made.close())
  return made
}

test('the defaults of the contract, in one flat object', (t) => {
  const { dryRun, ...config } = engine(t).config
  assert.deepEqual(config, {
    maxCacheSize: 104857600,
    defaultTTL: 3600,
    evictionPolicy: 'LRU',
    maxParallelism: 5,
    enableCheckpoints: true,
    timeout: 300000,
    defaultLockTimeout: 30000,
    enableDeadlockDetection: true,
    enableSaga: true,
    enableRetry: true,
    enableCircuitBreaker: true,
    enableTodoWrite: true,
    autoGenerateTodos: true,
  })
  const other = engine(t, undefined, { maxCacheSize: 1, defaultTTL: 2, evictionPolicy: 'LFU', maxParallelism: 3, enableCheckpoints: false, timeout: 4, defaultLockTimeout: 5, enableDeadlockDetection: false })
  assert.deepEqual([other.contexts.config.maxCacheSize, other.contexts.config.defaultTTL, other.contexts.config.evictionPolicy], [1, 2, 'LFU'])
  assert.deepEqual([other.scheduler.config.maxParallelism, other.scheduler.config.enableCheckpoints, other.scheduler.config.timeout], [3, false, 4])
  assert.deepEqual([other.resources.config.defaultLockTimeout, other.resources.config.enableDeadlockDetection], [5, false])
})

test('the events of the parts, under their names', async (t) => {
  const clock = new HandClock()
  const made = engine(t, async (agentId) => (agentId === 'bad-agent' ? Promise.reject(new Error('boom')) : 1), {
    clock,
    manual: true,
    maxCacheSize: 1500,
  })
  const names = toldAll(made)
  made.optimizeDAG(made.buildDAG(reviewAll()))
  made.validateDAG(made.buildDAG(v2([['a', ['a']]])))
  await made.execute(v2([['a', []]], { a: { retryPolicy: { maxAttempts: 2, strategy: 'immediate' } } }))
  await made.execute(v2([['done', []], ['bad', ['done']], ['after', ['bad']]], { bad: { retryPolicy: { maxAttempts: 2, strategy: 'immediate', jitter: false } }, done: { compensation: { type: 'custom', description: 'd', agentId: 'bad-agent' } } }))
  await made.contexts.get('k')
  await made.contexts.set('k', 'x'.repeat(600))
  await made.contexts.get('k')
  await made.contexts.set('l', 'x'.repeat(600))
  made.contexts.cleanup()
  made.registerResource('a', 'file')
  await made.acquireLock('a', 'one')
  const two = await made.acquireLock('b', 'two')
  const waits = made.acquireLock('b', 'one')
  assert.equal(await made.acquireLock('a', 'two'), null)
  made.releaseLock(two)
  await waits
  const late = made.acquireLock('a', 'three')
  made.resources._advance(30_000)
  assert.equal(await late, null)
  await made.executeSaga([{ id: 'one', execute: () => 1, compensate: () => { throw new Error('x') } }, { id: 'two', execute: () => { throw new Error('y') } }])
  made.recovery.setRetryConfig('x', { maxAttempts: 2, initialDelay: 0 })
  const again = made.recovery.executeWithRetry('x', async (attempt) => attempt === 2 || Promise.reject(new Error('z')))
  await clock.advance(0)
  await again
  const breaker = new CircuitBreaker({ failureThreshold: 1, successThreshold: 1, resetTimeout: 0, clock })
  made.setCircuitBreaker('api', breaker)
  await assert.rejects(made.recovery.executeWithCircuitBreaker('api', () => Promise.reject(new Error('down'))))
  await made.recovery.executeWithCircuitBreaker('api', async () => 1)
  made.recovery.createCheckpoint('c')
  assert.deepEqual(
    [...new Set(names)].toSorted(),
    [
      'dag:dagBuilt', 'dag:dagValidated', 'dag:dagOptimized', 'dag:validationError',
      'cache:hit', 'cache:miss', 'cache:evicted', 'cache:set', 'cache:cleanupCompleted',
      'execution:executionStarted', 'execution:executionCompleted', 'execution:executionFailed',
      'execution:levelStarted', 'execution:levelCompleted',
      'execution:nodeStarted', 'execution:nodeCompleted', 'execution:nodeFailed', 'execution:nodeSkipped',
      'execution:checkpointCreated', 'execution:retryAttempt', 'execution:compensationStarted', 'execution:compensationFailed',
      'resource:lockAcquired', 'resource:lockReleased', 'resource:lockTimeout', 'resource:deadlockDetected', 'resource:resolvingDeadlock',
      'recovery:sagaStarted', 'recovery:sagaCompleted', 'recovery:compensationStarted', 'recovery:compensationFailed', 'recovery:retryAttempt',
      'recovery:circuitOpened', 'recovery:circuitHalfOpen', 'recovery:circuitClosed', 'recovery:checkpointCreated',
      'progress:progressUpdated', 'progress:todosGenerated', 'progress:completionFinished',
    ].toSorted(),
  )
})

test('a definition, a definition and a context, a loaded command in either form', async (t) => {
  const seen = []
  const made = engine(t, async (_agent, _task, context) => void seen.push({ ...context.data }))
  const definition = v2([['a', []]], {}, { globalContext: { initial: { from: 'definition', both: 1 } } })
  const loaded = new CommandLoader().loadProgrammatic(definition)
  const later = { definition, source: 'programmatic', metadata: {}, validationResult: { valid: true } }
  for (const given of [[definition], [definition, { both: 2 }], [definition, null], [loaded], [later, { both: 3 }, {}]]) {
    assert.equal((await made.execute(...given)).success, true)
  }
  assert.deepEqual(seen.map(({ from, both }) => [from, both]), [['definition', 1], ['definition', 2], ['definition', 1], ['definition', 1], ['definition', 3]])
  assert.equal(made.getMetrics().totalExecutions, 5)
})

test('what cannot run is thrown, with every problem, and runs nothing', async (t) => {
  const made = engine(t, () => assert.fail('called'))
  await assert.rejects(made.execute(v2([['a', ['b']], ['b', ['a']]])), (error) => {
    assert.equal(error.code, 'INVALID_DEFINITION')
    assert.match(error.message, /Circular dependency detected in command '\/x'\n {2}a → b → a/)
    assert.equal(error.problems[0].code, 'CIRCULAR_DEPENDENCY')
    return true
  })
  const missing = { name: '/x', description: 'd', estimatedTime: 1, phases: [{ number: 1, name: 'One', dependencies: [], agents: [{ name: 'n', inputs: ['k'], outputs: [] }] }] }
  await assert.rejects(made.execute(missing), /Missing: k/)
  const given = engine(t, (_agent, _task, context) => context.data.k)
  assert.equal((await given.execute(missing, { k: 5 })).nodeResults[0].output, 5, 'unless the context has it')
  await assert.rejects(made.execute(null), TypeError)
  await assert.rejects(engine(t).execute(v2([['a', []]])), { code: 'MISUSE' })
})

test('a failure is in the result, in the list and in the counts', async (t) => {
  const lists = []
  const made = engine(t, async (agentId) => {
    if (agentId === 'security-reviewer') throw new Error('boom')
    return agentId
  })
  made.setTodoWriteAPI({ async write(todos) { lists.push(todos) } })
  const result = await made.execute(reviewAll())
  assert.deepEqual([result.success, result.errors[0].message], [false, 'boom'])
  const { completed, failed, percentComplete } = result.progressStats
  assert.deepEqual([completed, failed], [5, 1])
  assert.equal(Math.round(percentComplete), 71)
  const last = lists.at(-1)
  assert.equal(last.find((todo) => todo.content.includes('security')).status, 'in_progress')
  assert.equal(last.find((todo) => todo.content.includes('senior')).status, 'pending')
  assert.equal(last.some((todo) => todo.content.startsWith('✅')), false)
  assert.deepEqual(made.getMetrics().successRate, 0)
})

test('the hooks of the later documents', async (t) => {
  const calls = []
  const made = engine(t, async (agentId) => (agentId === 'bad' ? Promise.reject(new Error('x')) : 1), {
    onNodeStart: (id, phase) => calls.push(`start ${id} ${phase}`),
    onNodeComplete: (id, duration, success) => calls.push(`end ${id} ${typeof duration} ${success}`),
    onPhaseComplete: (phase, results) => calls.push(`phase ${phase} ${results.map(({ success }) => success)}`),
  })
  await made.execute(v2([['a', []], ['b', ['a']]], { b: { agentId: 'bad' } }))
  assert.deepEqual(calls, ['start a 1', 'end a number true', 'start b 1', 'end b number false', 'phase 1 true,false'])
  made.configureContextManager({ maxCacheSize: 1000, evictionPolicy: 'lru', compressionEnabled: true })
  made.configureTodoWrite({ batchSize: 5, batchDelay: 9 })
  assert.deepEqual([made.contexts.config.maxCacheSize, made.progress.config.batchDelay], [1000, 9])
})

test('breakers, agents by another name, commands in commands, their counts', async (t) => {
  const calls = []
  const made = engine(t, async (agentId) => {
    calls.push(agentId)
    if (agentId === 'api') throw new Error('down')
    return agentId
  }, { commands: { '/inner': v2([['i', []]]) } })
  made.registerAgent('a-agent', 'general-purpose')
  made.setCircuitBreaker('api', new CircuitBreaker({ failureThreshold: 1 }))
  const bad = v2([['n', []]], { n: { agentId: 'api', circuitBreaker: 'api' } })
  assert.match((await made.execute(bad)).errors[0].message, /down/)
  assert.match((await made.execute(bad)).errors[0].message, /circuit breaker `api` is open/)
  assert.deepEqual(calls, ['api'])
  const result = await made.execute(v2([['a', []], ['b', ['a']]], { b: { agentId: 'command', task: '/inner' } }))
  assert.deepEqual(calls.slice(1), ['general-purpose', 'i-agent'])
  assert.equal(result.nodeResults[1].output.i, 'i-agent')
  const { totalExecutions, successCount, failureCount, averageDuration } = made.getMetrics('api')
  assert.deepEqual([totalExecutions, successCount, failureCount, averageDuration >= 0], [1, 0, 1, true])
  assert.equal(made.getMetrics('nobody').averageDuration, 0)
})

test('a dry run runs nothing and says what would', async (t) => {
  const made = engine(t, () => assert.fail('called'))
  const result = await made.execute(reviewAll(), {}, { dryRun: true })
  assert.deepEqual([result.dryRun, result.plan.levels.length, result.estimatedTime], [true, 3, 180_000])
  assert.deepEqual(result.levels[0], { number: 0, nodes: ['codebase-analyzer'] })
})

test('executions are stopped, looked at, and gone on with', async (t) => {
  const hold = gate()
  let stuck = true
  const made = engine(t, async (agentId) => (agentId === 'b-agent' && stuck ? hold.promise : agentId))
  const running = made.execute(v2([['a', []], ['b', ['a']]]), {}, { executionId: 'mine' })
  await settled()
  assert.deepEqual([made.getStatus('mine').status, made.getMetrics().activeExecutions], ['running', 1])
  assert.equal(made.pause('mine'), true)
  const result = await running
  assert.deepEqual([result.success, made.getStatus('mine').status, made.cancel('mine')], [false, 'cancelled', false])
  stuck = false
  const resumed = await made.resume('mine')
  assert.deepEqual([resumed.success, resumed.nodeResults.map(({ nodeId }) => nodeId)], [true, ['b']])
  assert.equal((await made.recover(made.checkpoint().id)).success, true)
  made.clearCheckpoints()
  assert.equal(made.checkpoint(), null)
  await assert.rejects(made.resume('mine'), { code: 'NOT_FOUND' })
  assert.throws(() => made.getStatus('none'), { code: 'NOT_FOUND' })
})

test('several executions at once have each their own result', async (t) => {
  const made = engine(t, async (agentId, _task, context) => {
    await new Promise((resolve) => setImmediate(resolve))
    return `${agentId} ${context.data.k}`
  })
  const results = await Promise.all([1, 2, 3].map((k) => made.execute(v2([['a', []], ['b', ['a']]]), { k })))
  assert.deepEqual(results.map((result) => result.nodeResults[1].output), ['b-agent 1', 'b-agent 2', 'b-agent 3'])
  assert.equal(new Set(results.map((result) => result.executionId)).size, 3)
})

test('what executions were like', async (t) => {
  const metricsCollector = new MetricsCollector()
  assert.deepEqual(metricsCollector.config, { enableDetailedTiming: true, enableResourceMonitoring: true, enableContextMetrics: true })
  assert.equal(metricsCollector.getReport(), null)
  const made = engine(t, async () => new Promise((resolve) => setImmediate(resolve)), { metricsCollector })
  await made.execute(reviewAll())
  const report = metricsCollector.getReport()
  assert.deepEqual(Object.keys(report), ['totalDuration', 'parallelismEfficiency', 'cacheHitRate', 'phases', 'slowestAgents'])
  assert.deepEqual(report.phases.map(({ name, agentCount, successRate }) => [name, agentCount, successRate]), [['Analysis', 1, 100], ['Review', 5, 100], ['Synthesis', 1, 100]])
  assert.equal(report.phases[1].parallelExecutions, 5)
  assert.equal(report.slowestAgents.length, 5)
})

test('caches, locks and stats through the engine', async (t) => {
  const made = engine(t)
  await made.contexts.set('a1', 1)
  await made.contexts.get('a1')
  assert.equal(made.getCacheMetrics().hitRate, 100)
  assert.equal(made.invalidateCachePattern(/^a/), 1)
  await made.contexts.set('b', 1)
  made.clearCache()
  assert.equal(made.getCacheMetrics().entries, 0)
  made.registerResource('db', 'database', 2)
  const lock = await made.acquireLock('db', 'me', 1)
  assert.equal(made.getResourceStats('db').currentUsage, 1)
  assert.deepEqual(Object.keys(made.getResourceStats()), ['db'])
  assert.equal(made.releaseLock(lock), true)
  assert.equal(made.getRecoveryStats().sagasExecuted, 0)
  assert.equal(made.getProgressStats().total, 0)
})

test('prompts, and what may be tried again', () => {
  const prompt = promptOf('do it', { long: 'x'.repeat(10_001), bytes: Buffer.from('abc'), n: 0 })
  assert.match(prompt, /^do it\n\nContext Data:\n\{/)
  assert.ok(prompt.includes(`${'x'.repeat(10_000)}... [truncated]`))
  assert.ok(!prompt.includes('bytes') && prompt.includes('"n": 0'))
  for (const text of ['request Timeout', 'Rate limit hit', 'temporary failure', 'connection reset by peer']) assert.equal(isRetryable(new Error(text)), true, text)
  assert.equal(isRetryable(new Error('syntax')), false)
})

test('what the definition locks, callers cannot have, and the other way round', async (t) => {
  const inside = gate()
  const made = engine(t, async () => inside.promise)
  made.registerResource('db', 'database')
  const definition = v2([['a', []]], { a: { resources: { locks: [{ resourceId: 'db' }] } } })
  const running = made.execute(definition)
  await settled()
  assert.equal(made.resources.isAvailable('db'), false)
  const waits = made.acquireLock('db', 'me')
  inside.open()
  assert.equal((await running).success, true)
  const lock = await waits
  assert.equal(typeof lock, 'string')
  let done = false
  const second = made.execute(definition).then((result) => ((done = true), result))
  await settled()
  assert.equal(done, false)
  made.releaseLock(lock)
  assert.equal((await second).success, true)
})

test('values with a time to live are there for later executions', async (t) => {
  const made = engine(t, async (agentId, _task, context) => (agentId === 'a-agent' ? { files: 3 } : context.data.structure))
  const names = toldAll(made.contexts)
  await made.execute(v2([['a', []], ['b', ['a']]], { a: { context: { outputs: [{ key: 'structure', ttl: 60 }] } }, b: { context: { inputs: [{ key: 'structure' }] } } }))
  assert.deepEqual(names, ['cacheSet'], 'within an execution nobody asks the cache')
  const later = await made.execute(v2([['c', []], ['d', []]], { c: { context: { inputs: [{ key: 'structure' }] } }, d: { context: { inputs: [{ key: 'other', required: false }] } } }))
  assert.deepEqual(later.nodeResults[0].output, { files: 3 })
  assert.deepEqual(names, ['cacheSet', 'cacheHit', 'cacheMiss'])
  assert.equal(later.cacheHitRate, 50)
})
