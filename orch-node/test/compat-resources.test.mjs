import assert from 'node:assert/strict'
import { mock, test } from 'node:test'

import { ResourceManager } from '@orch-engine/orch/compat'
import { HandClock, settled, told } from './compat-aids.mjs'

const EVENTS = ['lockAcquired', 'lockReleased', 'lockTimeout', 'deadlockDetected', 'resolvingDeadlock']

/** A manager whose time stands still. */
function manager(config) {
  const resources = new ResourceManager({ ...config, clock: new HandClock(), manual: true })
  return { resources, events: told(resources, EVENTS), advance: (ms) => resources._advance(ms) }
}

test('the defaults of the contract', () => {
  const { config } = new ResourceManager()
  assert.deepEqual([config.defaultLockTimeout, config.enableDeadlockDetection], [30000, true])
  assert.throws(() => new ResourceManager({ defaultLockTimeout: 'x' }), /`defaultLockTimeout` is x/)
})

test('first come, first served; a higher priority before', async () => {
  const { resources, events } = manager()
  const first = await resources.acquireLock('db', 'a')
  const order = []
  const waiters = [['b', 0], ['c', 0], ['d', 5]].map(async ([owner, priority]) => {
    const lock = await resources.acquireLock('db', owner, priority)
    order.push(owner)
    resources.releaseLock(lock)
  })
  assert.equal(resources.getResourceStats('db').queueLength, 3)
  assert.equal(resources.releaseLock(first), true)
  assert.equal(resources.releaseLock(first), false, 'twice does no harm')
  await Promise.all(waiters)
  assert.deepEqual(order, ['d', 'b', 'c'])
  assert.equal(events.names.filter((name) => name === 'lockAcquired').length, 4)
  assert.equal(events.names.filter((name) => name === 'lockReleased').length, 4)
  assert.deepEqual(events.data[0], { lockId: first, resourceId: 'db', ownerId: 'a', priority: 0 })
})

test('30 s are the longest wait: null, or the error of the first phase', async () => {
  const { resources, events, advance } = manager()
  const lock = await resources.acquire('file', 'a')
  const second = resources.acquireLock('file', 'b')
  const first = resources.acquire('file', 'c')
  first.catch(() => {})
  advance(29_999)
  await settled()
  assert.equal(resources.getResourceStats('file').queueLength, 2)
  advance(1)
  assert.equal(await second, null)
  await assert.rejects(first, { message: 'Lock acquisition timeout for file', code: 'LOCK_TIMEOUT' })
  assert.deepEqual(events.names.slice(1), ['lockTimeout', 'lockTimeout'])
  await assert.rejects(resources.acquire('file', 'd', 0), /Lock acquisition timeout for file/)
  resources.release(lock)
  assert.equal(resources.isAvailable('file'), true)
})

test('the wait ends by the timers of Node too', async () => {
  mock.timers.enable({ apis: ['setTimeout'] })
  try {
    const resources = new ResourceManager({ manual: true })
    await resources.acquire('r', 'a')
    const waits = resources.acquireLock('r', 'b', 0, 100)
    resources._native.advance(100)
    mock.timers.tick(100)
    assert.equal(await waits, null)
  } finally {
    mock.timers.reset()
  }
})

test('locks have an owner, and only that gives them back', async () => {
  const { resources } = manager({ lockLease: 60_000 })
  const lock = await resources.acquire('db', 'a')
  assert.deepEqual(Object.keys(lock), ['id', 'resource', 'agent', 'acquiredAt', 'expiresAt'])
  assert.equal(lock.expiresAt - lock.acquiredAt, 60_000)
  assert.throws(() => resources.release({ ...lock, agent: 'thief' }), { code: 'NOT_OWNER' })
  assert.equal(resources.isAvailable('db'), false)
  resources.release(lock)
})

test('a lease ends by itself, and says so', async () => {
  const { resources, events, advance } = manager({ lockLease: 1000 })
  await resources.acquire('db', 'a')
  const next = resources.acquireLock('db', 'b')
  advance(1000)
  assert.equal(typeof (await next), 'string')
  assert.deepEqual(events.names, ['lockAcquired', 'lockReleased', 'lockAcquired'])
  assert.equal(events.data[1].reason, 'expired')
})

test('so many at once', async () => {
  const { resources } = manager()
  resources.registerResource('api', 'API', 2)
  resources.registerResource('one', 'agent')
  const locks = [await resources.acquireLock('api', 'a'), await resources.acquireLock('api', 'b')]
  assert.equal(resources.isAvailable('api'), false)
  const third = resources.acquireLock('api', 'c')
  const stats = resources.getResourceStats('api')
  assert.deepEqual(
    [stats.type, stats.maxConcurrent, stats.currentUsage, stats.available, stats.holders, stats.queueLength],
    ['API', 2, 2, 0, ['a', 'b'], 1],
  )
  resources.releaseLock(locks[0])
  assert.equal(typeof (await third), 'string')
  assert.equal(resources.getResourceStats().one.maxConcurrent, 1)
  assert.deepEqual(Object.keys(resources.getResourceStats()), ['api', 'one'])
  assert.throws(() => resources.getResourceStats('none'), { code: 'NOT_FOUND' })
  for (const type of ['agent', 'file', 'database', 'api', 'custom']) resources.registerResource(`r-${type}`, type)
  assert.throws(() => resources.registerResource('x', 'printer'), { code: 'INVALID_VALUE' })
  assert.throws(() => resources.registerResource('x', 'file', 0), { code: 'INVALID_VALUE' })
  assert.throws(() => resources.registerResource('x', 'file', 1.5), TypeError)
  assert.throws(() => resources.registerResource(7), TypeError)
})

test('everything of an owner goes at once, and what it waits for too', async () => {
  const { resources } = manager()
  await resources.acquireLock('a', 'me')
  await resources.acquireLock('b', 'me')
  await resources.acquireLock('c', 'you')
  const waits = resources.acquireLock('c', 'me')
  assert.equal(resources.releaseAllLocks('me'), 3)
  assert.equal(await waits, null)
  assert.deepEqual(['a', 'b', 'c'].map((name) => resources.isAvailable(name)), [true, true, false])
})

test('a deadlock is found and ended as it arises', async () => {
  const { resources, events } = manager()
  await resources.acquireLock('a', 'one')
  await resources.acquireLock('b', 'two')
  const first = resources.acquireLock('b', 'one')
  const second = resources.acquireLock('a', 'two')
  assert.equal(await second, null, 'the youngest gives way')
  const at = events.names.indexOf('deadlockDetected')
  assert.deepEqual(events.names.slice(at), ['deadlockDetected', 'resolvingDeadlock'])
  const found = events.data[at]
  assert.deepEqual([found.detected, [...found.cycle].sort(), [...found.resources].sort(), found.victim], [true, ['one', 'two'], ['a', 'b'], 'two'])
  assert.deepEqual(events.data[at + 1].victim, 'two')
  resources.releaseAllLocks('two')
  assert.equal(typeof (await first), 'string')
  await assert.rejects(
    (async () => {
      await resources.acquire('x', 'p')
      await resources.acquire('y', 'q')
      const waits = resources.acquire('y', 'p')
      waits.catch(() => {})
      await resources.acquire('x', 'q')
    })(),
    { message: 'Deadlock while waiting for x', code: 'DEADLOCK' },
  )
})

test('or only told, for who ends it by hand', async () => {
  const { resources, events } = manager({ enableDeadlockDetection: false })
  await resources.acquireLock('a', 'one')
  await resources.acquireLock('b', 'two')
  assert.deepEqual(resources.detectDeadlock().detected, false)
  const first = resources.acquireLock('b', 'one')
  const second = resources.acquireLock('a', 'two')
  assert.equal(events.names.includes('deadlockDetected'), false)
  const deadlock = resources.detectDeadlock()
  assert.equal(deadlock.detected, true)
  assert.match(deadlock.message, /waits for/)
  assert.equal(resources.resolveDeadlock(deadlock), true)
  assert.equal(await second, null)
  assert.equal(resources.resolveDeadlock(deadlock), false, 'it is over')
  resources.releaseAllLocks('two')
  assert.equal(typeof (await first), 'string')
})

test('bad input is told by name', async () => {
  const { resources } = manager()
  await assert.rejects(resources.acquireLock(7, 'a'), /the resource must be a text/)
  await assert.rejects(resources.acquireLock('r', undefined), /the owner must be a text/)
  await assert.rejects(resources.acquireLock('', 'a'), { code: 'INVALID_VALUE' })
  assert.throws(() => resources.releaseLock('nonsense'), { code: 'INVALID_VALUE' })
  assert.throws(() => resources.releaseLock(undefined), TypeError)
})
