'use strict'

const native = require('../native.js')
const { raised, NotFound } = require('../errors.js')
const { Emitter, amount, settings, systemClock } = require('./emitter.js')

/**
 * Grants resources to their users: who came first goes first, a higher priority before, and nobody starves.
 *
 * Events: `lockAcquired`, `lockReleased`, `lockTimeout`, `deadlockDetected`, `resolvingDeadlock`.
 */
class ResourceManager extends Emitter {
  #locks
  #clock
  #manual
  /** Requests that wait, by number. */
  #waiting = new Map()
  /** Locks that are held, by id. */
  #held = new Map()
  #types = new Map()
  #next = 0
  #timer

  constructor(config) {
    super()
    const given = settings(config)
    this.config = {
      defaultLockTimeout: amount(given.defaultLockTimeout, 'defaultLockTimeout', 30000),
      enableDeadlockDetection: given.enableDeadlockDetection ?? true,
      lockLease: amount(given.lockLease, 'lockLease', undefined),
    }
    this.#clock = given.clock ?? systemClock
    this.#manual = given.manual === true
    this.#locks = new native.NativeLocks(() => this.#hear(), this.#manual)
  }

  /** The locks of the core, by which runs claim too. */
  get _native() {
    return this.#locks
  }

  /**
   * Declares a resource of which so many may be used at once.
   *
   * @param {'agent' | 'file' | 'database' | 'API' | 'api' | 'custom'} [type]
   */
  registerResource(id, type = 'custom', maxConcurrent = 1) {
    if (typeof id !== 'string') throw new TypeError(`the id of a resource must be a text; got ${typeof id}`)
    if (!Number.isInteger(maxConcurrent)) throw new TypeError(`\`maxConcurrent\` is ${String(maxConcurrent)}; give a whole number`)
    raised(() => this.#locks.register(id, String(type), Math.max(0, maxConcurrent)))
    this.#types.set(id, { type, maxConcurrent })
  }

  /** Waits for a resource; the id of the lock, or `null` if it was not free in time or waiting would have been for ever. */
  async acquireLock(resourceId, ownerId, priority = 0, timeout = this.config.defaultLockTimeout) {
    const { lock } = await this.#ask(resourceId, ownerId, priority, timeout)
    return lock ?? null
  }

  /** Waits for a resource; the lock, with an error after `timeout` ms. */
  async acquire(resource, agent, timeout = this.config.defaultLockTimeout) {
    const { lock, code } = await this.#ask(resource, agent, 0, timeout)
    if (lock === undefined) {
      const text = code === 'DEADLOCK' ? `Deadlock while waiting for ${resource}` : `Lock acquisition timeout for ${resource}`
      throw Object.assign(new Error(text), { code, resource, agent })
    }
    const { acquiredAt } = this.#held.get(lock)
    const { lockLease } = this.config
    return Object.freeze({ id: lock, resource, agent, acquiredAt, expiresAt: lockLease === undefined ? Infinity : acquiredAt + lockLease })
  }

  #ask(resource, owner, priority, timeout) {
    if (typeof resource !== 'string') throw new TypeError(`the resource must be a text; got ${typeof resource}`)
    if (typeof owner !== 'string') throw new TypeError(`the owner must be a text; got ${typeof owner}`)
    const wait = timeout === Infinity ? undefined : amount(timeout, 'timeout', undefined)
    const request = ++this.#next
    const answer = raised(() =>
      this.#locks.ask(request, resource, owner, priority ?? 0, wait, this.config.lockLease),
    )
    const about = { resource, owner, priority, request }
    if (answer.word === 'granted') {
      this.#granted(answer.lock, about)
      return Promise.resolve({ lock: answer.lock })
    }
    if (answer.word === 'refused') return Promise.resolve(this.#refused(answer, about))
    return new Promise((resolve) => {
      this.#waiting.set(request, { ...about, lock: answer.lock, resolve })
      this.#settle()
    })
  }

  #granted(lock, { resource, owner, priority, request }) {
    this.#held.set(lock, { resource, owner, request, acquiredAt: Date.now() })
    this._tell('lockAcquired', { lockId: lock, resourceId: resource, ownerId: owner, priority })
  }

  #refused({ code, message }, { resource, owner }) {
    if (code === 'LOCK_TIMEOUT') this._tell('lockTimeout', { resourceId: resource, ownerId: owner, message })
    return { code, message }
  }

  /** Hears what became of those who wait. */
  #hear() {
    for (const answer of this.#locks.hear()) {
      if (answer.word === 'expired') {
        for (const [lock, held] of this.#held) {
          if (held.request === answer.request) this.#left(lock, 'expired')
        }
        continue
      }
      if (answer.word === 'deadlock') continue
      const waiter = this.#waiting.get(answer.request)
      if (waiter === undefined) continue
      this.#waiting.delete(answer.request)
      if (answer.word === 'granted') {
        this.#granted(waiter.lock, waiter)
        waiter.resolve({ lock: waiter.lock })
      } else {
        waiter.resolve(this.#refused(answer, waiter))
      }
    }
  }

  /** Looks for deadlocks, hears, and sees when to look again. */
  #settle() {
    this.#hear()
    if (this.config.enableDeadlockDetection) {
      for (let found = this.detectDeadlock(); found.detected; found = this.detectDeadlock()) {
        if (!this.resolveDeadlock(found)) break
      }
    }
    const wait = this.#locks.turn()
    this.#hear()
    this.#clock.clearTimeout(this.#timer)
    this.#timer = undefined
    if (typeof wait === 'number' && (this.#waiting.size > 0 || this.config.lockLease !== undefined)) {
      this.#timer = this.#clock.setTimeout(() => this.#settle(), Math.ceil(wait))
      // Who only holds keeps nobody awake; who waits does.
      if (this.#waiting.size === 0) this.#timer?.unref?.()
    }
  }

  /** Gives a lock back: its id, or for its agent the lock itself. Twice does no harm. */
  releaseLock(lockId, ownerId) {
    if (typeof lockId !== 'string') throw new TypeError(`the id of a lock must be a text; got ${typeof lockId}`)
    const released = raised(() => this.#locks.release(lockId, ownerId))
    if (released) this.#left(lockId, 'released')
    this.#settle()
    return released
  }

  /** Gives a lock back. */
  release(lock) {
    this.releaseLock(lock?.id, lock?.agent)
  }

  #left(lock, reason) {
    const held = this.#held.get(lock)
    if (held === undefined) return
    this.#held.delete(lock)
    this._tell('lockReleased', { lockId: lock, resourceId: held.resource, ownerId: held.owner, reason })
  }

  /** Gives back everything of an owner, and withdraws what it waits for; how many locks and requests that were. */
  releaseAllLocks(ownerId) {
    const locks = [...this.#held].filter(([, held]) => held.owner === ownerId).map(([lock]) => lock)
    const count = this.#locks.releaseAll(ownerId)
    locks.forEach((lock) => this.#left(lock, 'released'))
    for (const [request, waiter] of this.#waiting) {
      if (waiter.owner !== ownerId) continue
      this.#waiting.delete(request)
      waiter.resolve({ code: 'CANCELLED', message: 'the request was withdrawn' })
    }
    this.#settle()
    return count
  }

  /** Whether a resource would be granted at once. */
  isAvailable(resource) {
    const stats = this.#stats(resource)
    if (stats === undefined) return true
    if (stats.exclusive || stats.waiting > 0) return false
    return stats.capacity === null ? stats.used === 0 : stats.used < stats.capacity
  }

  /** Owners that wait for each other in a circle, if there are any. */
  detectDeadlock() {
    const found = JSON.parse(raised(() => this.#locks.deadlocks()))
    const cycles = found.map(({ number, cycle, victim, message }) => ({
      number,
      owners: cycle.map(({ owner }) => owner),
      resources: cycle.map(({ resource }) => resource),
      victim,
      message,
    }))
    const [first] = cycles
    const result = {
      detected: cycles.length > 0,
      hasDeadlock: cycles.length > 0,
      cycle: first?.owners ?? [],
      resources: first?.resources ?? [],
      victim: first?.victim ?? null,
      message: first?.message ?? '',
      cycles,
    }
    if (result.detected) this._tell('deadlockDetected', result)
    return result
  }

  /** Ends a deadlock: the youngest request of the lowest priority in it is refused. Whether there was one to end. */
  resolveDeadlock(deadlock) {
    let ended = false
    for (const cycle of deadlock?.cycles ?? []) {
      this._tell('resolvingDeadlock', { victim: cycle.victim, cycle: cycle.owners, resources: cycle.resources })
      ended = this.#locks.endDeadlock(cycle.number) || ended
    }
    this.#hear()
    return ended
  }

  #stats(resource) {
    const text = raised(() => this.#locks.stats(resource))
    return typeof text === 'string' ? JSON.parse(text) : undefined
  }

  /** How a resource stands; without an id, all that were registered, by id. */
  getResourceStats(resourceId) {
    if (resourceId === undefined) {
      return Object.fromEntries([...this.#types.keys()].map((id) => [id, this.getResourceStats(id)]))
    }
    const stats = this.#stats(resourceId)
    if (stats === undefined) throw new NotFound(`the resource \`${resourceId}\` was neither registered nor used`)
    const { type = 'custom', maxConcurrent = stats.capacity ?? 1 } = this.#types.get(resourceId) ?? {}
    return {
      id: resourceId,
      type,
      maxConcurrent,
      currentUsage: stats.used,
      available: Math.max(0, maxConcurrent - stats.used),
      holders: stats.holders,
      queueLength: stats.waiting,
      granted: stats.granted,
      refused: stats.refused,
      expired: stats.expired,
      totalWaitTime: stats.waited_ms,
      longestWait: stats.longest_wait_ms,
    }
  }

  /** Moves the time of a manager that was made for a test. */
  _advance(ms) {
    this.#locks.advance(ms)
    this.#settle()
  }
}

module.exports = { ResourceManager }
