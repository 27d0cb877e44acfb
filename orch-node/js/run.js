'use strict'

const diagnostics = require('node:diagnostics_channel')

const { InvalidType, InvalidValue } = require('./errors.js')
const { Graph } = require('./graph.js')
const { object, readRun, typeOf } = require('./options.js')

/** What only a run needs, read when the first one begins: the package is required more often than used. */
let Driver, Report, eventAt, NUMBERS
function begin() {
  ;({ Driver } = require('./driver.js'))
  ;({ eventAt, NUMBERS } = require('./event.js'))
}

/** How many events wait for their reader before the start of tasks waits too. */
const MOST_EVENTS = 4096

/** `{run, graph, event}` for each event of each run, where somebody has subscribed before the run began. */
const channel = diagnostics.channel('orch:event')

/** Holds the events that nobody has read yet. */
class Reader {
  constructor() {
    this.driver = undefined
    this.batches = []
    this.at = 0
    this.held = 0
    this.waiter = undefined
    this.closed = false
    this.left = false
    this.hear = undefined
  }

  /** Takes a batch: the first `count` of `numbers`, which are its own only for now. */
  put(first, numbers, count, texts) {
    const { hear, driver } = this
    if (hear !== undefined) {
      for (let i = 0; i < count; i += NUMBERS) hear(eventAt(first, numbers, texts, i, driver))
    }
    if (this.left) return
    this.batches.push({ first, numbers: numbers.slice(0, count), texts })
    this.held += count / NUMBERS
    this.call()
  }

  /** The next event; nothing if there is none yet. */
  take() {
    const batch = this.batches[0]
    if (batch === undefined) return undefined
    const event = eventAt(batch.first, batch.numbers, batch.texts, this.at, this.driver)
    this.at += NUMBERS
    if (this.at === batch.numbers.length) {
      this.batches.shift()
      this.at = 0
    }
    if (this.held-- === MOST_EVENTS + 1) this.driver.hurry()
    return event
  }

  isFull() {
    return this.held > MOST_EVENTS
  }

  /** Nobody reads any more: the run goes on without. */
  leave() {
    if (this.left) return
    this.left = true
    this.batches = []
    const was = this.held
    this.held = 0
    if (was > MOST_EVENTS) this.driver.hurry()
  }

  close() {
    this.closed = true
    this.call()
  }

  call() {
    const { waiter } = this
    this.waiter = undefined
    waiter?.()
  }
}

const END = Promise.resolve({ value: undefined, done: true })

/** A run that goes on: read its events, await its report, cancel it. */
class Run {
  #driver
  #reader
  #graph
  #check
  #report
  #ended
  #signal
  #onAbort
  #cache
  #resume
  #telling
  #assigned

  /** `found`: how a stored run goes on, and the graph as it is for that. */
  constructor(graph, options, listens, found) {
    checkGraph(graph)
    if (Driver === undefined) begin()
    const read = readRun(options)
    if (read.resume !== undefined && found === undefined) {
      throw new InvalidValue('`resume` takes a while: `await run(graph, { store, resume })`, or `await resume(graph, { store, run })`')
    }
    read.resume = found?.resume
    read.source ??= graph._source
    const ready = found?.ready ?? graph._ready(read.store !== undefined, read.store?._of())
    const { signal, onEvent } = read
    this.#cache = read.cache
    this.#resume = read.resume
    this.#assigned = ready.assigned ?? []
    const published = channel.hasSubscribers
    const reader = listens || onEvent !== undefined || published ? new Reader() : undefined
    this.#graph = graph
    this.#check = read.check
    this.#reader = reader
    let end
    this.#ended = new Promise((resolve) => (end = resolve))
    this.#telling = read.telling = read.notices?._of(read.ledger)
    this.#driver = new Driver(ready, read, reader, () => {
      this.#signal?.removeEventListener('abort', this.#onAbort)
      end()
    })
    if (reader !== undefined) {
      reader.driver = this.#driver
      // Without another reader nobody waits for events.
      reader.left = !listens
      if (onEvent !== undefined || published) reader.hear = this.#listener(onEvent, published)
    }
    if (signal !== undefined) {
      this.#signal = signal
      this.#onAbort = () => this.cancel(signal.reason)
      if (signal.aborted) this.cancel(signal.reason)
      else signal.addEventListener('abort', this.#onAbort, { once: true })
    }
    // In the next microtask: the caller has the handle by then.
    this.#driver.poke()
  }

  /** A listener that throws ends with a warning, and is called no more. */
  #listener(onEvent, published) {
    return (event) => {
      if (published) channel.publish({ run: this.id, graph: this.#graph.name, event })
      if (onEvent === undefined) return
      try {
        onEvent(event)
      } catch (error) {
        onEvent = undefined
        process.emitWarning(`\`onEvent\` threw and is called no more: ${error?.stack ?? error}`, 'OrchWarning')
      }
    }
  }

  /** The name of the run. */
  get id() {
    return this.#driver.session.run
  }

  /** Where a stored run goes on: the names of the tasks that are `kept`, and those that are run `again`, each with why. */
  get resumed() {
    if (this.#resume === undefined) return undefined
    const { kept, again } = JSON.parse(this.#resume.form())
    return { kept, again }
  }

  /** Who does the tasks that ask for a capability, and why. */
  get assigned() {
    return this.#assigned
  }

  /** `running`, `succeeded`, `failed` or `cancelled`. */
  get state() {
    return this.#driver.state
  }

  /** Asks the run to stop: its tasks are told to, what can be undone is undone. */
  cancel(reason = 'cancelled by the program') {
    this.#driver.cancel(reasonOf(reason))
  }

  /** Waits for the end and answers the report, whatever became of the run. Events that nobody read are dropped. */
  async report() {
    this.#reader?.leave()
    await this.#ended
    const driver = this.#driver
    if (this.#telling !== undefined) {
      const telling = this.#telling
      this.#telling = undefined
      await require('./notices.js').tell(telling)
    }
    if (this.#cache !== undefined) {
      this.#cache._absorb()
      await this.#cache.settle()
    }
    if (driver.broken !== undefined) throw driver.broken
    Report ??= require('./report.js').Report
    return (this.#report ??= new Report(driver))
  }

  /** Waits for the end and answers the report; throws if the run did not succeed, unless `check` is false. */
  async _checked() {
    const report = await this.report()
    if (this.#check) report.check()
    return report
  }

  /** The events, to the last. A slow reader slows the start of tasks. */
  [Symbol.asyncIterator]() {
    const reader = this.#reader
    const driver = this.#driver
    let done = false
    const next = () => {
      if (done) return END
      const event = reader.take()
      if (event !== undefined) return Promise.resolve({ value: event, done: false })
      if (reader.closed || reader.left) {
        done = true
        return driver.broken === undefined ? END : Promise.reject(driver.broken)
      }
      return new Promise((resolve) => (reader.waiter = resolve)).then(next)
    }
    return {
      next,
      // Who leaves the loop does not stop the run, and does not hold it up.
      return: (value) => {
        done = true
        reader.leave()
        return Promise.resolve({ value, done: true })
      },
      [Symbol.asyncIterator]() {
        return this
      },
    }
  }

  /** Leaving an `await using` block cancels the run, if it still goes on, and waits until it has ended. */
  async [Symbol.asyncDispose]() {
    this.cancel('its block was left')
    await this.report().catch(() => {})
  }
}

function reasonOf(reason) {
  if (typeof reason === 'string') return reason
  try {
    return reason instanceof Error ? reason.message : String(reason)
  } catch {
    return 'cancelled'
  }
}

/** Begins a run and answers a handle: `for await (const event of run)`, `run.report()`, `run.cancel()`. */
function start(graph, options) {
  return new Run(graph, options, true)
}

/** Runs the graph to its end and answers the report. Rejects with `RunFailed`, caused by what the first failed task threw. */
async function run(graph, options) {
  if (options?.resume === undefined) return new Run(graph, options, false)._checked()
  return (await goOn(graph, options, options.resume === true ? undefined : options.resume, false))._checked()
}

/** Goes on with a stored run: the one of that name, else the latest of the graph. Answers a handle, as `start` does. */
async function resume(graph, options) {
  const { run, ...rest } = object(options, 'options')
  if (rest.store === undefined) throw new InvalidValue('a run is resumed in the store that has it: give a `store`')
  return goOn(graph, { ...rest, resume: run ?? true }, run, true)
}

async function goOn(graph, options, run, listens) {
  checkGraph(graph)
  const { store, source, core, sync } = readRun(options)
  const found = await store._resume(graph, run, source, core?.inputs, sync)
  return new Run(graph, options, listens, found)
}

function checkGraph(graph) {
  if (!(graph instanceof Graph)) throw new InvalidType(`\`graph\` must be a Graph; got ${typeOf(graph)}`)
}

module.exports = { Run, resume, run, start }
