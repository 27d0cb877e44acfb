'use strict'

const { NotFound, raised } = require('./errors.js')
const native = require('./native.js')
const { object, whole, wrong, noMore } = require('./options.js')

/** What follows from a graph alone. Times in milliseconds; a task without an estimate counts as one minute. */
class Plan {
  #ids
  #ready
  #native
  #workers

  constructor(ready, options = {}) {
    const { maxParallel, ...rest } = object(options, 'options')
    noMore(rest, 'options')
    this.#workers = maxParallel === undefined ? undefined : whole(maxParallel, 'maxParallel', 1)
    this.#ids = ready.ids
    this.#ready = ready
    this.#native = ready.plan(this.#workers)
  }

  /** The names of the tasks of each level; levels are for showing, no task waits for one. */
  get levels() {
    return this.#native.levels().map((level) => level.map((place) => this.#ids[place]))
  }

  /** The most tasks of a level. */
  get widest() {
    return this.#native.widest
  }

  /** What the tasks take one after the other. */
  get serialMs() {
    return this.#native.serialMs
  }

  /** What they take with any number at once: the length of the critical path. */
  get criticalMs() {
    return this.#native.criticalMs
  }

  /** The names of the tasks of the critical path. */
  get criticalPath() {
    return this.#native.criticalPath().map((place) => this.#ids[place])
  }

  /** One task: its level, estimate, earliest start, slack, and rank among all. */
  step(id) {
    const place = this.#ready.placeOf(id)
    if (place === undefined) throw new NotFound(`there is no task \`${String(id)}\` in the plan`)
    const [level, estimateMs, earliestMs, slackMs, rank] = this.#native.step(place)
    return { id, level, estimateMs, earliestMs, slackMs, rank }
  }

  /** What a run with so many at once would take, and what share of its workers' time it would use. */
  forecast(maxParallel = this.#workers) {
    const [makespanMs, utilisation] = raised(() => this.#native.forecast(maxParallel))
    return { makespanMs, utilisation }
  }

  /** What a run will probably cost: by what its tasks expect to use. */
  cost(prices = new (require('./money.js').Prices)()) {
    if (!(prices instanceof require('./money.js').Prices)) throw wrong('prices', 'Prices', prices)
    const { usd, p90_usd, unknown, learned, expected } = JSON.parse(raised(() => this.#native.cost(prices._native)))
    return { usd: Number(usd), p90Usd: Number(p90_usd), unknown, learned, expected }
  }

  /** The plan as one HTML page. */
  toHtml() {
    return this.#native.html()
  }

  toString() {
    const short = (ms) => native.Plan.short(ms)
    return `${this.#ids.length} tasks in ${this.levels.length} levels, critical path ${short(this.criticalMs)}`
  }
}

module.exports = { Plan }
