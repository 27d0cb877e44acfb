'use strict'

const native = require('./native.js')
const { ofNative, raised: calls } = require('./errors.js')
const { immutable } = require('./immutable.js')

/** How often the core is asked whether somebody else changed something, in ms: as often as it looks at the time of day. */
const LOOK_EVERY = 10
/** The core follows the time of day where that runs ahead by a second. */
const JUMP = 900
/** Up to so many hits in one turn of the loop are told by one reading of the clock, while the end is farther than `NEAR`. */
const HITS_A_LOOK = 32
const NEAR = 1000

let coarse = 0
let left = 0
let armed = false

function turnOver() {
  armed = false
  left = 0
}

/** Milliseconds of the monotonic clock, read anew in each turn of the loop. */
function look() {
  coarse = performance.now()
  left = HITS_A_LOOK
  if (!armed) {
    armed = true
    setTimeout(turnOver, 1).unref?.()
  }
  return coarse
}

const exact = () => performance.now()

/** A value that is kept nearer than the core. */
class Near {
  constructor(cache, key, value, quick, until) {
    this.cache = cache
    this.key = key
    this.value = value
    this.quick = quick
    this.until = until
    this.hits = 0
    this.used = 0
  }
}

/** What a cache and its children share: the values themselves, since the core keeps only their numbers. */
class Family {
  constructor(now) {
    this.values = new Map()
    this.next = 0
    this.members = new Set()
    this.listener = undefined
    this.now = now
    this.uses = 0
    /** Values that were answered near since the core was last told, each once. */
    this.answered = []
    /** Until then nobody else is thought to have changed anything. */
    this.until = 0
    this.ahead = Date.now() - performance.now()
  }

  /** Hears what others changed, and whether the time of day jumped. */
  look(now, cache) {
    this.until = now + LOOK_EVERY
    const ahead = Date.now() - performance.now()
    if (Math.abs(ahead - this.ahead) > JUMP) {
      this.ahead = ahead
      for (const member of this.members) member.deref()?._near.clear()
    }
    cache._absorb()
  }

  forget(key) {
    for (const member of this.members) {
      const cache = member.deref()
      if (cache === undefined) this.members.delete(member)
      else cache._near.delete(key)
    }
  }
}

/**
 * Values by key, each for a time, all together in a bounded space: the core's cache.
 *
 * Arrays and plain objects are kept as frozen copies, so that nobody changes what others read. A value that was read is kept
 * near, so that a hit does not cross into the core, which is asked every ten milliseconds whether anything changed. No value is
 * answered when its time is over (but a stretch of code that does not let the loop turn for a second may see it so much longer).
 *
 * @example
 * const cache = new Cache({ ttl: 60_000, maxBytes: 10 << 20 })
 * cache.set('structure', { files: 129 })
 * cache.get('structure') // { files: 129 }, frozen
 */
class Cache {
  /** @param {{maxBytes?: number, ttl?: number, eviction?: 'lru' | 'lfu' | 'ttl', parent?: Cache, manual?: boolean, store?: import('./store.js').Store}} [options] */
  constructor(options = {}) {
    const { maxBytes, ttl, eviction, parent, manual = false, store } = options
    if (parent !== undefined) {
      this._native = parent._native.child()
      this._family = parent._family
    } else {
      this._native = calls(() => new native.NativeCache(maxBytes, ttl, eviction, manual, store?._of()))
      this._behind = store !== undefined
      let time = 0
      this._family = new Family(manual ? () => time : undefined)
      if (manual) this._move = (ms) => (time += ms)
    }
    this._near = new Map()
    this._family.members.add(new WeakRef(this))
  }

  /** The value of that key; `undefined`: there is none. Counts as a hit or a miss. */
  get(key) {
    const near = this._near.get(key)
    if (near !== undefined) {
      const now = left-- > 0 ? coarse : look()
      if (now < near.quick && now < this._family.until) return this._answer(near)
    }
    return this._get(key, near)
  }

  _answer(near) {
    const family = this._family
    if (near.hits++ === 0) family.answered.push(near)
    near.used = ++family.uses
    return near.value
  }

  _get(key, near) {
    const now = this._family.now === undefined ? exact() : this._family.now()
    if (near !== undefined) {
      if (now >= this._family.until) this._family.look(now, this)
      if (now < near.until && this._near.get(key) === near) return this._answer(near)
    }
    this._flush()
    const found = calls(() => this._native.get(String(key), false))
    this._absorb()
    if (found === null) {
      this._near.delete(key)
      return undefined
    }
    const value = this._value(found)
    const until = now + found.restMs
    const quick = this._family.now === undefined ? until - NEAR : -1
    this._near.set(key, new Near(this, String(key), value, quick, until))
    return value
  }

  _value(found) {
    return found.number !== null && found.number !== undefined
      ? this._family.values.get(found.number)
      : immutable(JSON.parse(found.json)).value
  }

  /** The same, and it counts as nothing. */
  peek(key) {
    const found = calls(() => this._native.get(String(key), true))
    return found === null ? undefined : this._value(found)
  }

  /** Whether there is a value of that key, which counts as nothing. */
  has(key) {
    return calls(() => this._native.get(String(key), true)) !== null
  }

  /**
   * Keeps a value for `ttl` milliseconds.
   *
   * @param {{ttl?: number, tags?: string[]}} [options]
   * @returns {boolean} whether it is kept: not with a time of 0, and not if it is larger than the whole cache.
   */
  set(key, value, options = {}) {
    const { ttl, tags } = options
    if (ttl !== undefined && !(typeof ttl === 'number' && ttl >= 0)) {
      throw new TypeError(`\`ttl\` is ${String(ttl)}; give milliseconds, at least 0`)
    }
    this._flush()
    const kept = immutable(value)
    const json = kept.plain ? JSON.stringify(kept.value) : undefined
    const bytes = kept.plain ? 0 : value?.byteLength ?? 0
    const family = this._family
    const number = ++family.next
    family.values.set(number, kept.value)
    let refused
    try {
      refused = calls(() => this._native.set(String(key), number, json, bytes, ttl, tags))
    } finally {
      family.forget(key)
      this._absorb()
    }
    return refused === null
  }

  /** Drops the value of that key and what was made from it; how many values went. */
  delete(key) {
    return this._change(() => this._native.invalidate(String(key)))
  }

  /** Drops the values whose keys fit. A pattern finds the same whatever it was used for before. */
  deleteMatching(pattern) {
    const fresh = new RegExp(pattern.source, pattern.flags.replace(/[gy]/g, ''))
    const anchored = pattern.sticky ? new RegExp(`^(?:${pattern.source})`, pattern.flags.replace(/[gym]/g, '')) : fresh
    const keys = this.keys().filter((key) => anchored.test(key))
    return this._change(() => keys.reduce((count, key) => count + this._native.invalidate(key), 0))
  }

  /** Drops the values with that tag. */
  deleteTag(tag) {
    return this._change(() => this._native.invalidateTag(tag))
  }

  /** Drops everything. */
  clear() {
    return this._change(() => this._native.clear())
  }

  _change(change) {
    this._flush()
    const count = calls(change)
    this._absorb()
    return count
  }

  /** The keys, sorted. */
  keys() {
    return this._native.keys()
  }

  /** A cache that sees what is in this one under its own. */
  child() {
    return new Cache({ parent: this })
  }

  /** Counts: `entries`, `bytes`, `hits`, `misses`, `sets`, `evictions`, `expirations`, `invalidations`, `hit_rate` (0 to 1, or `null`). */
  stats() {
    this._flush()
    const stats = JSON.parse(calls(() => this._native.stats()))
    this._absorb()
    return stats
  }

  /** The content hash of the value of that key, the same for equal values. */
  hash(key) {
    return this._native.hash(String(key))
  }

  /** Everything that has a JSON form, as JSON. */
  export() {
    this._flush()
    return this._native.export()
  }

  /** Takes in an export: how many values were `kept`, `expired`, `outdated`, `too_large`. */
  import(text) {
    this._flush()
    const imported = JSON.parse(calls(() => this._native.import(text)))
    for (const member of this._family.members) member.deref()?._near.clear()
    this._absorb()
    return imported
  }

  /** Tells the core of the hits that were answered near, the least recent first. */
  _flush() {
    const { answered } = this._family
    if (answered.length === 0) return
    this._family.answered = []
    answered.sort((a, b) => a.used - b.used)
    for (let at = 0; at < answered.length; ) {
      const { cache } = answered[at]
      const keys = []
      const hits = []
      for (; at < answered.length && answered[at].cache === cache; at++) {
        keys.push(answered[at].key)
        hits.push(answered[at].hits)
        answered[at].hits = 0
      }
      cache._native.used(keys, hits)
    }
  }

  /** Hears what went. */
  _absorb() {
    const news = this._native.news()
    if (news === null) return
    const { values, listener } = this._family
    const { events, dropped } = news
    for (let at = 0; at < events.length; at += 2) this._family.forget(events[at + 1])
    for (const number of dropped) values.delete(number)
    if (listener !== undefined) {
      for (let at = 0; at < events.length; at += 2) listener(events[at], events[at + 1])
    }
  }

  /** Waits until the store behind it has what runs gave it to keep. */
  async settle() {
    if (this._behind) {
      await this._native.settle().catch((error) => {
        throw ofNative(error)
      })
    }
  }

  /** Moves the time of a cache that was made for a test. */
  _advance(ms) {
    this._move(ms)
    this._native.advance(ms)
  }
}

module.exports = { Cache }
