'use strict'

const fs = require('node:fs')
const path = require('node:path')

const native = require('../native.js')
const { Cache } = require('../cache.js')
const { raised } = require('../errors.js')
const { immutable } = require('../immutable.js')
const { Emitter, amount, settings, systemClock } = require('./emitter.js')

const EVICTIONS = new Set(['LRU', 'LFU', 'TTL'])
const FILE = 'context.json'
/** How often what is over is cleaned up, and how soon after a change the file is written, in ms. */
const CLEAN_EVERY = 60_000
const WRITE_AFTER = 500

/** The configuration, with the names of the later documents understood: `maxMemoryMB`, lower-case policies. */
function readConfig(config) {
  const given = settings(config)
  const megabytes = amount(given.maxMemoryMB, 'maxMemoryMB', undefined)
  const named = String(given.evictionPolicy ?? 'LRU').toUpperCase()
  // `priority` of the later documents: what is used least goes first.
  const evictionPolicy = named === 'PRIORITY' ? 'LFU' : named
  if (!EVICTIONS.has(evictionPolicy)) {
    throw new TypeError(`\`evictionPolicy\` is ${String(given.evictionPolicy)}; give 'LRU', 'LFU' or 'TTL'`)
  }
  return {
    maxCacheSize: amount(given.maxCacheSize, 'maxCacheSize', megabytes === undefined ? 104857600 : megabytes * 1024 * 1024),
    defaultTTL: amount(given.defaultTTL, 'defaultTTL', 3600),
    persistencePath: given.persistencePath ?? './.cache/orchestration',
    enablePersistence: given.enablePersistence ?? false,
    evictionPolicy,
    clock: given.clock ?? systemClock,
    manual: given.manual === true,
    log: given.log,
  }
}

/** The data of a context, frozen, and its hash. */
function freezeData(data) {
  const { value, plain } = immutable(data ?? {})
  const hash = plain ? raised(() => native.contentHash(JSON.stringify(value))) : ''
  return { value, hash }
}

/**
 * A context: what a command knows. It cannot be changed, its data neither.
 *
 * @param {{command?: string, ttl?: number, parent?: object, data?: object, analyzedBy?: string[], createdAt?: number}} fields
 */
function createContext({ command = '', ttl = 3600, parent, data, analyzedBy = [], createdAt = Date.now() } = {}) {
  const { value, hash } = freezeData(data)
  const made = { version: '1.0', command, createdAt, ttl, data: value }
  if (parent !== undefined) made.parent = parent
  made.metadata = Object.freeze({ analyzedBy: Object.freeze([...analyzedBy]), hash, immutable: true })
  return Object.freeze(made)
}

/** A context of whatever a caller gave: of nothing, of plain values, of a context. */
function contextOf(given, command) {
  if (given === undefined || given === null) return createContext({ command })
  if (typeof given !== 'object') throw new TypeError(`a context must be an object; got ${typeof given}`)
  const isContext = typeof given.data === 'object' && given.data !== null && (given.metadata !== undefined || given.version !== undefined)
  if (!isContext) return createContext({ command, data: given })
  if (Object.isFrozen(given) && given.metadata?.immutable === true) return given
  return createContext({
    command: given.command ?? command,
    ttl: given.ttl,
    parent: given.parent,
    data: given.data,
    analyzedBy: given.metadata?.analyzedBy,
    createdAt: given.createdAt,
  })
}

/**
 * Keeps values by key for a time, and makes contexts of them.
 *
 * Times to live are seconds. Events: `cacheHit`, `cacheMiss`, `cacheSet`, `cacheEvicted`, `cleanupCompleted`.
 */
class ContextManager extends Emitter {
  #cache
  #about = new Map()
  #versions = new Map()
  #timer
  #writing
  #counts

  constructor(config) {
    super()
    const { clock, manual, log, ...shown } = readConfig(config)
    this.config = shown
    this._clock = clock
    this._log = log
    this._manual = manual
    this.#begin()
    if (this.config.enablePersistence) this.#load()
    this.#timer = clock.setTimeout(() => this.#clean(), CLEAN_EVERY)
    this.#timer?.unref?.()
  }

  #begin() {
    const { maxCacheSize, defaultTTL, evictionPolicy } = this.config
    this.#cache = new Cache({ maxBytes: maxCacheSize, ttl: defaultTTL * 1000, eviction: evictionPolicy, manual: this._manual })
    this.#cache._family.listener = (kind, key) => {
      if (kind === 'set') return
      this.#about.delete(key)
      if (kind !== 'invalidated') this._tell('cacheEvicted', { key, reason: kind })
    }
  }

  /** The cache itself: `get` without a promise, children, tags. */
  get cache() {
    return this.#cache
  }

  /** The value of that key; `null`: there is none, or its time is over. */
  async get(key) {
    const value = this.#cache.get(key)
    if (value === undefined) {
      this._tell('cacheMiss', { key })
      return null
    }
    this._tell('cacheHit', { key, value })
    this._log?.(`[ContextManager] Cache HIT for "${key}" (${Math.round(this.getHitRate())}% hit rate)`)
    return value
  }

  /** Keeps a value for `ttl` seconds, at once; the promise is for those who wait for it. */
  set(key, value, ttl) {
    const seconds = amount(ttl, 'ttl', this.config.defaultTTL)
    const kept = this.#cache.set(key, value === undefined ? null : value, { ttl: seconds * 1000 })
    const createdAt = Date.now()
    const version = (this.#versions.get(key) ?? 0) + 1
    if (kept) {
      this.#about.set(key, { createdAt, expiresAt: createdAt + seconds * 1000, version })
      this.#versions.set(key, version)
    }
    this._tell('cacheSet', { key, ttl: seconds, kept })
    this._log?.(`[ContextManager] Cached "${key}" with TTL ${seconds}s`)
    this.#persist()
    return Promise.resolve()
  }

  /** Whether there is a value, also a `null` one. */
  has(key) {
    return this.#cache.has(key)
  }

  /** The entry of that key, as the models have it; its hash is SHA-256 of the JSON with its members in order. */
  getEntry(key) {
    const about = this.#about.get(key)
    const value = this.#cache.peek(key)
    if (value === undefined) return null
    const { createHash } = require('node:crypto')
    const hash = createHash('sha256').update(ordered(value)).digest('hex')
    return { value, hash, createdAt: about?.createdAt ?? 0, expiresAt: about?.expiresAt ?? 0, version: about?.version ?? 1 }
  }

  /** A context below another: it sees the data of that, and cannot change it. Without one, the first. */
  createChild(parent, data) {
    const above = contextOf(parent, '')
    const merged = data === undefined ? above.data : { ...above.data, ...data }
    return createContext({
      command: above.command,
      ttl: above.ttl,
      parent: above,
      data: merged,
      analyzedBy: above.metadata.analyzedBy,
    })
  }

  /** A context of the first level. */
  createContext(command, data, ttl = this.config.defaultTTL) {
    return createContext({ command, data, ttl })
  }

  /** Drops the value of that key. */
  invalidate(key) {
    const count = this.#cache.delete(key)
    this.#persist()
    return count
  }

  /** Drops the values whose keys fit; how many. */
  invalidatePattern(pattern) {
    if (!(pattern instanceof RegExp)) throw new TypeError('`pattern` must be a RegExp')
    const count = this.#cache.deleteMatching(pattern)
    this.#persist()
    return count
  }

  /** How many of all looks found something, in percent; 0 before the first. */
  getHitRate() {
    return (this.#cache.stats().hit_rate ?? 0) * 100
  }

  getMetrics() {
    const { hits, misses, evictions, expirations, invalidations, sets, entries, bytes, hit_rate } = this.#cache.stats()
    return { hits, misses, evictions, hitRate: (hit_rate ?? 0) * 100, size: bytes, entries, sets, expirations, invalidations }
  }

  /** Drops everything. */
  clear() {
    this.#cache.clear()
    this.#about.clear()
    this.#versions.clear()
    this.#persist()
  }

  /** Everything that has a JSON form, as JSON. */
  export() {
    return this.#cache.export()
  }

  /** Takes in an export. What is over by now stays out. */
  import(json) {
    return this.#cache.import(json)
  }

  /** Drops what is over now, instead of when it is next looked for; how many. */
  cleanup() {
    const before = this.#cache.stats().expirations
    const removed = before - (this.#counts ?? 0)
    this.#counts = before
    this._tell('cleanupCompleted', { removed, remaining: this.#cache.stats().entries })
    return removed
  }

  #clean() {
    this.cleanup()
    this.#timer = this._clock.setTimeout(() => this.#clean(), CLEAN_EVERY)
    this.#timer?.unref?.()
  }

  /** Changes the limits: what is kept moves into a new cache, as far as it has room there. */
  configure(config) {
    const text = this.export()
    const { clock, manual, log, ...shown } = readConfig({ ...this.config, ...settings(config) })
    void clock, manual, log
    this.config = shown
    this.#begin()
    this.#cache.import(text)
  }

  get #file() {
    return path.join(this.config.persistencePath, FILE)
  }

  #load() {
    let text
    try {
      text = fs.readFileSync(this.#file, 'utf8')
    } catch (error) {
      if (error.code === 'ENOENT') return
      throw error
    }
    try {
      this.#cache.import(text)
    } catch (error) {
      // A cache that cannot be read is an empty one; the file stays for whoever wants to look, until the next is written.
      process.emitWarning(`the cache in \`${this.#file}\` could not be read: ${error.message}`, 'OrchWarning')
    }
  }

  #persist() {
    if (!this.config.enablePersistence || this.#writing !== undefined) return
    this.#writing = this._clock.setTimeout(() => this.flush(), WRITE_AFTER)
    this.#writing?.unref?.()
  }

  /** Writes the file now, if there is to be one: beside it first, then in its place. */
  flush() {
    if (this.#writing !== undefined) this._clock.clearTimeout(this.#writing)
    this.#writing = undefined
    if (!this.config.enablePersistence) return
    fs.mkdirSync(this.config.persistencePath, { recursive: true })
    const beside = `${this.#file}.${process.pid}.tmp`
    fs.writeFileSync(beside, this.export(), { mode: 0o600 })
    fs.renameSync(beside, this.#file)
  }

  /** Stops the timers, and writes what is to be written. */
  close() {
    this._clock.clearTimeout(this.#timer)
    if (this.#writing !== undefined) this.flush()
  }
}

/** JSON with the members of objects in order, so that equal values have equal texts. */
function ordered(value) {
  return JSON.stringify(value, (_, inner) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)))
      : inner,
  ) ?? ''
}

/** What goes into an agent and what comes out of it, by the declarations of its node. */
class ContextAdapter {
  /** The values of the declared inputs; one that is missing and has a default gets that, also `0`, `false` and `''`. */
  prepareContext(node, context) {
    const data = contextOf(context, '').data
    const declared = inputsOf(node)
    const made = {}
    for (const { key, default: fallback } of declared) {
      if (Object.hasOwn(data, key)) made[key] = data[key]
      else if (fallback !== undefined) made[key] = fallback
    }
    return immutable(node?.passthrough === true || node?.context?.passthrough === true ? { ...data, ...made } : made).value
  }

  /** The declared outputs of a result: of an object by key, of one declared output the value itself. */
  extractOutputs(node, result) {
    const keys = outputsOf(node)
    const isObject = typeof result === 'object' && result !== null && !Array.isArray(result)
    if (keys.length === 1 && !(isObject && Object.hasOwn(result, keys[0]))) return new Map([[keys[0], result]])
    return new Map(keys.filter((key) => isObject && Object.hasOwn(result, key)).map((key) => [key, result[key]]))
  }

  /** Which required inputs a context does not have. */
  validateInputs(node, context) {
    const data = contextOf(context, '').data
    const missing = inputsOf(node)
      .filter(({ key, required, default: fallback }) => required !== false && fallback === undefined && !Object.hasOwn(data, key))
      .map(({ key }) => key)
    const available = Object.keys(data).join(', ') || 'none'
    const errors = missing.map((key) => `Required input "${key}" not found for node "${node?.id}". Available: ${available}`)
    return { valid: missing.length === 0, missing, errors }
  }

  /** One context of several: the later ones win. */
  mergeContexts(...contexts) {
    const all = contexts.flat().map((context) => contextOf(context, ''))
    return createContext({
      command: all[0]?.command,
      ttl: all[0]?.ttl,
      data: Object.assign({}, ...all.map((context) => context.data)),
      analyzedBy: [...new Set(all.flatMap((context) => context.metadata.analyzedBy))],
    })
  }
}

const read = (value) => (typeof value === 'string' ? { key: value } : value)
const inputsOf = (node) => (node?.config?.inputs ?? node?.context?.inputs ?? node?.inputs ?? []).map(read)
const outputsOf = (node) => (node?.outputs ?? node?.context?.outputs ?? []).map((value) => read(value).key)

module.exports = { ContextManager, ContextAdapter, createContext, contextOf }
