import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'

import { Cache, ContextAdapter, ContextManager, createContext } from '@orch-engine/orch/compat'
import { HandClock, told } from './compat-aids.mjs'

const EVENTS = ['cacheHit', 'cacheMiss', 'cacheEvicted', 'cacheSet', 'cleanupCompleted']

/** A manager whose time stands still. */
function manager(t, config) {
  const clock = new HandClock()
  const made = new ContextManager({ ...config, clock, manual: true })
  t.after(() => made.close())
  return { contexts: made, clock, advance: (ms) => made.cache._advance(ms) }
}

test('the defaults of the contract', (t) => {
  const { contexts } = manager(t)
  assert.deepEqual(contexts.config, {
    maxCacheSize: 104857600,
    defaultTTL: 3600,
    persistencePath: './.cache/orchestration',
    enablePersistence: false,
    evictionPolicy: 'LRU',
  })
  const { maxCacheSize, evictionPolicy } = manager(t, { maxMemoryMB: 100, evictionPolicy: 'lru' }).contexts.config
  assert.deepEqual([maxCacheSize, evictionPolicy], [104857600, 'LRU'], 'the names of the later documents')
  assert.throws(() => new ContextManager({ evictionPolicy: 'FIFO' }), /give 'LRU', 'LFU' or 'TTL'/)
  assert.throws(() => new ContextManager({ defaultTTL: -1 }), /`defaultTTL` is -1/)
  assert.throws(() => new ContextManager(7), TypeError)
})

test('hits and misses: events, counts, percent', async (t) => {
  const { contexts } = manager(t)
  const events = told(contexts, EVENTS)
  assert.equal(contexts.getHitRate(), 0)
  assert.equal(await contexts.get('k'), null)
  await contexts.set('k', { a: 1 })
  assert.deepEqual(await contexts.get('k'), { a: 1 })
  assert.deepEqual(events.names, ['cacheMiss', 'cacheSet', 'cacheHit'])
  assert.deepEqual(events.data[1], { key: 'k', ttl: 3600, kept: true })
  for (let i = 0; i < 98; i++) await contexts.get('k')
  const { hits, misses, evictions, hitRate, entries } = contexts.getMetrics()
  assert.deepEqual({ hits, misses, evictions, hitRate, entries }, { hits: 99, misses: 1, evictions: 0, hitRate: 99, entries: 1 })
})

test('a time to live is seconds, and ends to the millisecond', async (t) => {
  const { contexts, advance } = manager(t)
  const events = told(contexts, ['cacheEvicted', 'cleanupCompleted'])
  contexts.set('hour', 1)
  contexts.set('second', 2, 1)
  contexts.set('none', 3, 0)
  assert.equal(await contexts.get('none'), null)
  advance(999)
  assert.equal(await contexts.get('second'), 2)
  advance(1)
  assert.equal(await contexts.get('second'), null)
  assert.equal(contexts.cleanup(), 1)
  advance(3_600_000 - 1001)
  assert.equal(await contexts.get('hour'), 1)
  advance(1)
  assert.equal(await contexts.get('hour'), null)
  contexts.cleanup()
  assert.deepEqual(events.data, [
    { key: 'second', reason: 'expired' },
    { removed: 1, remaining: 1 },
    { key: 'hour', reason: 'expired' },
    { removed: 1, remaining: 0 },
  ])
  assert.throws(() => contexts.set('k', 1, -1), /`ttl` is -1/)
})

test('what is over is cleaned up by itself', async (t) => {
  const { contexts, clock, advance } = manager(t)
  const events = told(contexts, ['cleanupCompleted'])
  contexts.set('k', 1, 1)
  advance(60_000)
  await clock.advance(60_000)
  assert.deepEqual(events.data, [{ removed: 1, remaining: 0 }])
})

test('null, false, 0 and nothing can be kept', async (t) => {
  const { contexts } = manager(t)
  for (const value of [null, false, 0, '', NaN]) {
    contexts.set('k', value)
    assert.deepEqual(await contexts.get('k'), value)
    assert.equal(contexts.has('k'), true)
  }
  contexts.set('k', undefined)
  assert.equal(await contexts.get('k'), null)
  assert.equal(contexts.has('k'), true)
  assert.equal(contexts.has('other'), false)
})

test('values are frozen to their leaves, and what was given stays its own', async (t) => {
  'use strict'
  const { contexts } = manager(t)
  const own = { list: [{ deep: 1 }], date: new Date(0), map: new Map() }
  contexts.set('k', own)
  own.list[0].deep = 2
  own.list.push(3)
  const kept = await contexts.get('k')
  assert.equal(kept.list[0].deep, 1)
  assert.throws(() => (kept.list[0].deep = 3), TypeError)
  assert.throws(() => kept.list.push(1), TypeError)
  assert.equal(kept.map, own.map, 'what has a class of its own is itself')
  const ring = { name: 'ring' }
  ring.self = ring
  contexts.set('ring', ring)
  const found = await contexts.get('ring')
  assert.equal(found.self, found)
  contexts.set('odd', JSON.parse('{"__proto__": {"a": 1}, "constructor": 2}'))
  assert.equal(Object.getPrototypeOf(await contexts.get('odd')), Object.prototype)
})

test('entries have hash, times and version; equal values have equal hashes', (t) => {
  const { contexts } = manager(t)
  contexts.set('a', { x: 1, y: [2] }, 60)
  const entry = contexts.getEntry('a')
  assert.equal(entry.hash, createHash('sha256').update('{"x":1,"y":[2]}').digest('hex'))
  assert.equal(entry.expiresAt - entry.createdAt, 60_000)
  assert.equal(entry.version, 1)
  contexts.set('a', { y: [2], x: 1 })
  assert.equal(contexts.getEntry('a').version, 2, 'a number, not "1.01"')
  assert.equal(contexts.getEntry('a').hash, entry.hash)
  assert.equal(contexts.getEntry('none'), null)
})

test('who goes when there is no room: LRU, LFU, TTL', async (t) => {
  const room = { maxCacheSize: 2 * 700 }
  const fill = async (evictionPolicy) => {
    const { contexts, advance } = manager(t, { ...room, evictionPolicy })
    const events = told(contexts, ['cacheEvicted'])
    const text = 'x'.repeat(50)
    contexts.set('a', text, 10)
    advance(1)
    contexts.set('b', text, 20)
    advance(1)
    for (const key of ['b', 'b', 'a']) {
      await contexts.get(key)
      contexts.getMetrics() // Tells the core of the hits, at a time of its own.
      advance(1)
    }
    contexts.set('c', text, 30)
    assert.equal(contexts.getMetrics().evictions, 1)
    return events.data
  }
  assert.deepEqual(await fill('LRU'), [{ key: 'b', reason: 'evicted' }])
  assert.deepEqual(await fill('LFU'), [{ key: 'a', reason: 'evicted' }])
  assert.deepEqual(await fill('TTL'), [{ key: 'a', reason: 'evicted' }])
})

test('a pattern finds the same each time, whatever its flags', (t) => {
  const { contexts } = manager(t)
  const fill = () => ['a1', 'a2', 'a3', 'b1', 'xa4'].forEach((key) => contexts.set(key, 1))
  fill()
  const pattern = /a\d/g
  pattern.lastIndex = 7
  assert.equal(contexts.invalidatePattern(pattern), 4)
  assert.equal(pattern.lastIndex, 7, 'it is not touched')
  fill()
  assert.equal(contexts.invalidatePattern(/a\d/y), 3, 'a sticky one fits the beginning')
  assert.equal(contexts.invalidatePattern(/A\d/i), 1)
  assert.throws(() => contexts.invalidatePattern('a*'), /must be a RegExp/)
  assert.equal(contexts.invalidate('b1'), 1)
  fill()
  contexts.clear()
  assert.equal(contexts.getMetrics().entries, 0)
})

test('contexts cannot be changed, children neither', (t) => {
  'use strict'
  const { contexts } = manager(t)
  const parent = createContext({ command: '/x', data: { shared: { a: [1] } }, analyzedBy: ['one'] })
  const child = contexts.createChild(parent, { own: 1 })
  assert.deepEqual(Object.keys(parent), ['version', 'command', 'createdAt', 'ttl', 'data', 'metadata'])
  assert.deepEqual([child.version, child.command, child.ttl, child.parent === parent], ['1.0', '/x', 3600, true])
  assert.deepEqual(child.data, { shared: { a: [1] }, own: 1 })
  assert.deepEqual(child.metadata.analyzedBy, ['one'])
  for (const change of [
    () => (child.data.shared.a[0] = 2),
    () => (child.data.more = 1),
    () => (child.version = '2'),
    () => child.metadata.analyzedBy.push('x'),
    () => (child.metadata.immutable = false),
  ]) {
    assert.throws(change, TypeError)
  }
  assert.deepEqual(parent.data, { shared: { a: [1] } })
  const same = (data) => createContext({ data }).metadata.hash
  assert.equal(same({ a: 1, b: 2 }), same({ b: 2, a: 1 }))
  assert.notEqual(same({ a: 1 }), same({ a: 2 }))
  assert.deepEqual(contexts.createChild().data, {})
  assert.deepEqual(contexts.createChild({ plain: 1 }).data, { plain: 1 })
})

test('export and import, and a file', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'orch-compat-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const path = join(folder, 'cache')
  const config = { enablePersistence: true, persistencePath: path }
  const { contexts, clock } = manager(t, config)
  contexts.set('k', { a: [1] })
  contexts.set('f', () => 1)
  assert.equal(existsSync(join(path, 'context.json')), false, 'not at each change')
  await clock.advance(500)
  assert.ok(readFileSync(join(path, 'context.json'), 'utf8').includes('"k"'))
  const again = manager(t, config).contexts
  assert.deepEqual(await again.get('k'), { a: [1] })
  assert.equal(await again.get('f'), null, 'a function has no JSON form')
  assert.throws(() => again.cache.get('k').a.push(2), TypeError)

  writeFileSync(join(path, 'context.json'), '<<<<<<< HEAD')
  const warned = new Promise((resolve) => process.once('warning', resolve))
  assert.equal(await manager(t, config).contexts.get('k'), null)
  assert.match((await warned).message, /could not be read/)

  const other = manager(t).contexts
  assert.deepEqual(other.import(contexts.export()), { kept: 1, expired: 0, outdated: 0, too_large: 0 })
  assert.throws(() => other.import('{'), { code: 'INVALID_FORMAT' })
})

test('a changed configuration keeps what has room', async (t) => {
  const { contexts } = manager(t)
  contexts.set('k', 1)
  contexts.configure({ maxCacheSize: 5000, evictionPolicy: 'lfu', compressionEnabled: true })
  assert.deepEqual([contexts.config.maxCacheSize, contexts.config.evictionPolicy], [5000, 'LFU'])
  assert.equal(await contexts.get('k'), 1)
})

test('the cache near by knows what changed behind it', () => {
  const cache = new Cache({ manual: true, maxBytes: 2000 })
  const child = cache.child()
  cache.set('k', 1)
  assert.deepEqual([cache.get('k'), child.get('k')], [1, 1])
  cache.set('k', 2)
  assert.deepEqual([cache.get('k'), child.get('k')], [2, 2])
  child.set('k', 3)
  assert.deepEqual([cache.get('k'), child.get('k')], [2, 3])
  child.delete('k')
  assert.deepEqual([cache.get('k'), child.get('k')], [2, undefined])
  cache.set('big', 'x'.repeat(1400))
  assert.equal(cache.get('k'), undefined, 'evicted')
  cache.set('gone', 1)
  assert.equal(cache.get('gone'), 1)
  assert.equal(cache.set('gone', 2, { ttl: 0 }), false)
  assert.equal(cache.get('gone'), undefined, 'also where the new value is not kept')
  cache.set('short', 1, { ttl: 5, tags: ['t'] })
  assert.equal(cache.get('short'), 1)
  cache._advance(4)
  assert.equal(cache.get('short'), 1)
  cache._advance(1)
  assert.equal(cache.get('short'), undefined)
  assert.equal(cache.set('huge', 'x'.repeat(3000)), false)
  assert.throws(() => cache.set('k', 1, { ttl: NaN }), /give milliseconds/)
})

test('the cache forgets values with their keys', () => {
  const cache = new Cache({ manual: true })
  for (let i = 0; i < 100; i++) cache.set('k', { i })
  for (let i = 0; i < 100; i++) cache.set(`k${i}`, { i })
  cache.clear()
  assert.equal(cache._family.values.size, 0)
})

test('what goes into an agent and comes out of it', () => {
  const adapter = new ContextAdapter()
  const node = { id: 'n', inputs: [{ key: 'zero', default: 5 }, { key: 'unset', default: 0 }, 'list'], outputs: ['a', { key: 'b' }] }
  const context = createContext({ data: { zero: 0, list: [], other: 1 } })
  assert.deepEqual(adapter.prepareContext(node, context), { zero: 0, unset: 0, list: [] }, '0 is a value')
  assert.deepEqual(adapter.prepareContext({ ...node, passthrough: true }, context).other, 1)
  assert.deepEqual([...adapter.extractOutputs(node, { a: 0, c: 1 })], [['a', 0]])
  assert.deepEqual([...adapter.extractOutputs({ outputs: ['x'] }, [1])], [['x', [1]]])
  const result = adapter.validateInputs({ id: 'n', inputs: ['zero', 'k'] }, context)
  assert.deepEqual(result.errors, ['Required input "k" not found for node "n". Available: zero, list, other'])
  assert.deepEqual(adapter.mergeContexts(context, { zero: 1 }).data, { zero: 1, list: [], other: 1 })
})
