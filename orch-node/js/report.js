'use strict'

const { NotFound, RunFailed, TaskFailed, TaskTimeout, ofNative, raised } = require('./errors.js')

/** What a run did, task by task and as a whole. `report.get(id)` is a task's result; `String(report)` a summary. */
class Report {
  #native
  #driver
  #ready
  #ids
  #places
  #succeeded

  constructor(driver) {
    this.#driver = driver
    // Of a run that another process made, or that added tasks, the core knows the names.
    this.#ready = driver.hasGrown ? undefined : driver.ready
    this.#native = driver.session.report()
  }

  /** The name of the graph. */
  get graph() {
    return this.#native.graph
  }

  /** The name of the run. */
  get run() {
    return this.#native.run ?? undefined
  }

  /** `succeeded`, `failed` or `cancelled`. */
  get state() {
    return this.#native.state
  }

  /** Why it ended before its time, where it did. */
  get stopped() {
    return this.#native.stopped ?? undefined
  }

  /** Milliseconds from the start of the run to its last event. */
  get makespanMs() {
    return this.#native.makespanMs
  }

  /** Milliseconds that the tasks would have taken one after the other. */
  get serialMs() {
    return this.#native.serialMs
  }

  /** Milliseconds: the shortest time that any order could have reached, knowing what each task really took. */
  get lowerBoundMs() {
    return this.#native.lowerBoundMs
  }

  /** How often faster it was than one task after the other. */
  get speedup() {
    return this.#native.speedup ?? undefined
  }

  /** What share of its workers' time it used, from 0 to 1. */
  get utilisation() {
    return this.#native.utilisation ?? undefined
  }

  /** The most tasks that ran at once. */
  get peak() {
    return this.#native.peak
  }

  /** Tokens of models that its tasks used. */
  get tokens() {
    return this.#native.tokens
  }

  /** What those cost, where the prices are known. */
  get costUsd() {
    return this.#native.costUsd ?? undefined
  }

  /** What was odd but did not stop the run. */
  get warnings() {
    return this.#native.warnings()
  }

  /** How many tasks are in each state. */
  get counts() {
    const [succeeded, failed, skipped, cancelled, undone, running, pending] = this.#native.counts()
    return { succeeded, failed, skipped, cancelled, undone, running, pending }
  }

  /** The names of the tasks. */
  get ids() {
    return (this.#ids ??= this.#ready?.ids.slice() ?? this.#native.ids())
  }

  /** How many tasks there are. */
  get size() {
    return this.ids.length
  }

  #place(id) {
    if (this.#ready === undefined) this.#places ??= new Map(this.ids.map((id, place) => [id, place]))
    const place = this.#ready === undefined ? this.#places.get(id) : this.#ready.placeOf(id)
    if (place === undefined) throw new NotFound(`there is no task \`${String(id)}\` in the report of \`${this.graph}\``)
    return place
  }

  /** The task's result; `undefined` if it was skipped. Throws what made it fail, or `TaskFailed` if it did not run. */
  get(id) {
    const place = this.#place(id)
    // Every task of a run that succeeded and has made something did so well: it needs no row. What crosses may be refused there.
    if ((this.#succeeded ??= this.state === 'succeeded') && !this.#driver.crossing) {
      const value = this.#driver.values[place]
      if (value !== undefined) return value
    }
    const result = this.#result(place)
    if (result.state === 'succeeded' || result.state === 'skipped') return result.value
    if (result.state === 'failed') throw this.#driver.errors.has(place) ? this.#driver.errors.get(place) : result.error
    throw new TaskFailed(`task \`${result.id}\` made nothing: it is ${result.state}`)
  }

  /** What became of that task. */
  task(id) {
    return this.#result(this.#place(id))
  }

  /** What became of each task, in the order of definition. */
  get tasks() {
    return this.ids.map((_, place) => this.#result(place))
  }

  [Symbol.iterator]() {
    return this.tasks[Symbol.iterator]()
  }

  #result(place) {
    const { message, ...row } = this.#native.row(place)
    const words = message ?? undefined
    const result = {
      id: this.ids[place],
      ...row,
      startedMs: row.startedMs ?? undefined,
      finishedMs: row.finishedMs ?? undefined,
      message: words,
      value: this.#value(place),
      error: undefined,
    }
    if (row.state === 'failed') result.error = this.#error(place, words)
    return result
  }

  #value(place) {
    const value = this.#driver.values[place]
    if (value !== undefined) return value
    const text = this.#native.output(place)
    return text === undefined || text === null ? undefined : JSON.parse(text)
  }

  #error(place, words = 'it failed') {
    const timed = words.startsWith('took longer') || words.startsWith('was silent')
    if (!timed && this.#driver.errors.has(place)) return this.#driver.errors.get(place)
    return new (timed ? TaskTimeout : TaskFailed)(`task \`${this.ids[place]}\` ${words}`)
  }

  /** What failed tasks threw, by name, forgiven ones left out. */
  get errors() {
    const errors = new Map()
    if (this.counts.failed === 0) return errors
    for (const [place, id] of this.ids.entries()) {
      const row = this.#native.row(place)
      if (row.state === 'failed' && !this.#native.isForgiven(place)) errors.set(id, this.#error(place, row.message ?? undefined))
    }
    return errors
  }

  /** Nothing if the run succeeded; else throws `RunFailed` or `RunCancelled`, caused by what the first failed task threw. */
  check() {
    if (this.state === 'succeeded') return
    let error
    try {
      this.#native.check()
      return
    } catch (raw) {
      error = ofNative(raw)
    }
    if (error instanceof RunFailed) {
      error.report = this
      error.errors = this.errors
      const [first] = error.errors
      if (first !== undefined) Object.defineProperty(error, 'cause', { value: first[1], configurable: true, writable: true })
    }
    throw error
  }

  /** The report in a few lines. */
  toString() {
    return this.#native.summary()
  }

  /** The report as text, with a table of the tasks. */
  toText(width = 100) {
    return this.#native.text(width)
  }

  /** The report as a plain value: what `JSON.stringify` asks for. Results that stayed in JavaScript are not in it. */
  toJSON() {
    return JSON.parse(this.#native.json())
  }

  /** The report as one HTML page, without anything from elsewhere. */
  toHtml() {
    return this.#form('html')
  }

  /** The report as JUnit XML. */
  toJUnit() {
    return this.#form('junit')
  }

  /** The report as a trace for Chrome and Perfetto. */
  toTrace() {
    return this.#form('trace')
  }

  /** The report as a summary for GitHub Actions. */
  toGitHub() {
    return this.#form('github')
  }

  #form(form) {
    return raised(() => this.#native.render(form))
  }
}

module.exports = { Report }
