'use strict'

// Runs that outlive their process: a file that Rust, Python, Node and the command line read and write at once.

const { InvalidType, raised } = require('./errors.js')
const { ofJson } = require('./event.js')
const native = require('./native.js')
const { millis, noMore, object, settled, text, whole } = require('./options.js')

const SYNCS = ['normal', 'full']

function syncOf(value) {
  if (!SYNCS.includes(value)) throw new InvalidType(`\`sync\` must be 'normal' or 'full'; got ${String(value)}`)
  return value
}

/**
 * Where runs are kept, so that they go on after their process was killed: one SQLite file.
 *
 * ```js
 * const store = new Store() // in the repository's common folder, as with `orch run --store`
 * await run(graph, { store })
 * const [latest] = await store.runs()
 * const report = await run(graph, { store, resume: latest.run })
 * ```
 */
class Store {
  #natives = new Map()
  #book
  #path
  #sync

  /** @param {string} [path] @param {{sync?: 'normal' | 'full'}} [options] */
  constructor(path, options = {}) {
    const { sync = 'normal', ...rest } = object(options, 'options')
    noMore(rest, 'options')
    this.#sync = syncOf(sync)
    this.#path = path === undefined ? undefined : text(path instanceof URL ? require('node:url').fileURLToPath(path) : path, 'path')
    // The file that it is now, wherever the process goes later.
    this.#path = this._of().path
  }

  /** Where it is. */
  get path() {
    return this.#path
  }

  /** The native store that writes so. */
  _of(sync = this.#sync) {
    let made = this.#natives.get(sync)
    if (made === undefined) {
      made = raised(() => new native.NativeStore(this.#path, process.cwd(), syncOf(sync) === 'full'))
      this.#natives.set(sync, made)
    }
    return made
  }

  /** The runs, the latest first. */
  async runs(options = {}) {
    const { source, limit = 20, ...rest } = object(options, 'options')
    noMore(rest, 'options')
    if (source !== undefined) text(source, 'source')
    return JSON.parse(await settled(() => this._of().runs(source, whole(limit, 'limit', 0))))
  }

  /** One run: by its name or how that ends, else the latest. With its inputs and the events of its latest part. */
  async show(run) {
    const told = JSON.parse(await settled(() => this._of().show(named(run))))
    return { ...told.run, inputs: told.inputs, events: told.events.map(ofJson) }
  }

  /** The report of a run, also of one that has not ended. */
  async report(run) {
    const { Report } = require('./report.js')
    const made = await settled(() => this._of().report(named(run)))
    return new Report({ session: { report: () => made }, values: [], errors: new Map() })
  }

  /** What is kept when the run goes on with that graph, and what is run, and why. Nothing is run. */
  async plan(graph, options = {}) {
    const { run, source, inputs, ...rest } = object(options, 'options')
    noMore(rest, 'options')
    const { resume } = await this._resume(graph, run, source, inputs, undefined)
    const { version, ...told } = JSON.parse(resume.form())
    return told
  }

  /** Reads a run, and decides how it goes on; with the graph as it is for that run. */
  async _resume(graph, run, source, inputs, sync) {
    const wanted = named(run)
    const of = source === undefined ? graph._source : text(source, 'source')
    const given = inputs === undefined ? undefined : JSON.stringify(object(inputs, 'inputs'))
    const [store, latest] = [this._of(sync), wanted === undefined ? of : undefined]
    const ready = graph._ready(true, store, wanted, latest)
    return { ready, resume: await settled(() => store.resume(ready.graph, wanted, latest, given)) }
  }

  /** Asks the owner of a run, in whatever process it is, to stop it. */
  async cancel(run, reason = 'cancelled from another process') {
    await this.#wish(run, 'cancel', text(reason, 'reason'))
  }

  /** Asks the owner of a run to begin nothing more until it may go on. */
  async pause(run) {
    await this.#wish(run, 'pause')
  }

  /** Lets a run go on that is paused. */
  async unpause(run) {
    await this.#wish(run, 'unpause')
  }

  #wish(run, wish, reason = '') {
    return settled(() => this._of().wish(named(run), wish, reason))
  }

  /** Reads everything and compares it with its hashes: how many there are, and what is wrong. */
  async check() {
    return JSON.parse(await settled(() => this._of().check()))
  }

  /** Drops cached results that are over, and runs that ended longer ago than that; gives their room back to the disk. */
  async compact(options = {}) {
    const { olderThanMs, ...rest } = object(options, 'options')
    noMore(rest, 'options')
    const older = olderThanMs === undefined ? undefined : millis(olderThanMs, 'olderThanMs')
    const done = JSON.parse(await settled(() => this._of().compact(older)))
    const { bytes_before: bytesBefore, bytes_after: bytesAfter, ...counts } = done
    return { ...counts, bytesBefore, bytesAfter }
  }

  /** Writes a copy to a file that is not there yet. */
  async export(to) {
    await settled(() => this._of().export(text(to, 'to')))
  }

  /** Who may spend what, and who spent what, in this store. */
  ledger(options = {}) {
    const { Ledger } = require('./money.js')
    return new Ledger({ ...object(options, 'options'), store: this })
  }

  /** Where runs without a budget book what they spend. */
  _book() {
    return (this.#book ??= this.ledger())
  }

  /** Lets go of the file. Runs that it keeps go on, and are kept. */
  close() {
    for (const made of this.#natives.values()) made.close()
    this.#book = undefined
  }

  [Symbol.dispose ?? Symbol.for('nodejs.dispose')]() {
    this.close()
  }
}

function named(run) {
  return run === undefined ? undefined : text(run, 'run')
}

/** What is not plain data in a value, with its place; nothing if it is the same after it was written as JSON and read again. */
function oddity(value, at) {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return undefined
    case 'number':
      return Number.isFinite(value) ? undefined : `${at} is ${value}`
    case 'object':
      break
    default:
      return `${at} is a ${typeof value}`
  }
  if (value === null) return undefined
  if (typeof value.toJSON === 'function') return `${at} is a ${nameOf(value)}; return its JSON form`
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) {
      const odd = value[i] === undefined ? `${at}[${i}] is undefined` : oddity(value[i], `${at}[${i}]`)
      if (odd !== undefined) return odd
    }
    return undefined
  }
  const prototype = Object.getPrototypeOf(value)
  if (prototype !== null && Object.getPrototypeOf(prototype) !== null) return `${at} is a ${nameOf(value)}`
  for (const key of Object.keys(value)) {
    const odd = value[key] === undefined ? undefined : oddity(value[key], `${at}.${key}`)
    if (odd !== undefined) return odd
  }
  return undefined
}

function nameOf(value) {
  return value.constructor?.name || 'object of a class'
}

/** The JSON of a result that a store is to keep. Throws where the value would not come back from there. */
function storable(value) {
  const text = JSON.stringify(value)
  const odd = oddity(value, 'it')
  if (odd !== undefined) throw new TypeError(odd)
  return text
}

module.exports = { Store, storable, syncOf }
