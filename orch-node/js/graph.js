'use strict'

const { InvalidDefinition, raised } = require('./errors.js')
const native = require('./native.js')
const { readTask, text, texts, object, whole, millis, noMore, callable } = require('./options.js')

/** What is between names: one text crosses quicker than many. */
const BETWEEN = '\n'

/** What few tasks have beside a function and others that they wait for. */
class Entry {
  constructor() {
    /** What it waits for, by name, if one of those was not there yet when it was added. @type {readonly string[] | undefined} */
    this.after = undefined
    this.estimate = undefined
    this.undo = undefined
    /** Its other options, as the core has them. */
    this.core = undefined
  }
}

/**
 * A graph as runs need it: checked by the core, its functions by place.
 */
class Ready {
  /** A graph is `plain` if no task of it has options that the core knows: then there is nothing to ask of them. */
  constructor(graph, plain = false) {
    this.graph = graph
    /** @type {Function[]} by place */
    this.calls = []
    /** What each task waits for: how many, and their places; nothing where the core is asked. @type {Uint32Array | undefined} */
    this.links = undefined
    this._offsets = undefined
    /** @type {Map<number, Function>} by place */
    this.undos = new Map()
    /** Whether what tasks make has to cross to the core. */
    this.readsValues = !plain && graph.readsValues
    /** Whether a run may be woken by what other threads or runs say. */
    this.hearsOthers = !plain && graph.hearsOthers
    this.programs = undefined
    /** The locks that tasks claim by, where others hold some too. */
    this.locks = undefined
    /** The functions of agents, for tasks that a run adds. */
    this.agents = undefined
    /** Who does the tasks that ask for a capability. */
    this.assigned = undefined
    this.strict = undefined
    this.plans = new Map()
    this._ids = undefined
    this._places = undefined
  }

  get ids() {
    return (this._ids ??= this.graph.ids())
  }

  /** @returns {Map<string, number>} */
  get places() {
    return (this._places ??= new Map(this.ids.map((id, place) => [id, place])))
  }

  /** The place of that task. @returns {number | undefined} */
  placeOf(id) {
    const place = this.places.get(id)
    return place < this.calls.length ? place : undefined
  }

  /** The places of what that task waits for. @returns {ArrayLike<number>} */
  parentsOf(place) {
    const { links } = this
    if (links === undefined) return this.graph.parents(place)
    if (this._offsets === undefined) {
      this._offsets = new Uint32Array(this.calls.length)
      for (let task = 0, at = 0; task < this.calls.length; at += links[at] + 1) this._offsets[task++] = at
    }
    const at = this._offsets[place]
    return links.subarray(at + 1, at + 1 + links[at])
  }

  /** The same functions for another form of the graph. */
  of(graph) {
    return Object.assign(new Ready(graph, true), this, { graph, plans: new Map() })
  }

  /** The plan; made once for each number of workers. */
  plan(workers) {
    let plan = this.plans.get(workers)
    if (plan === undefined) {
      plan = raised(() => this.graph.plan(undefined, workers))
      this.plans.set(workers, plan)
    }
    return plan
  }
}

/**
 * Tasks that wait for one another.
 *
 * ```js
 * const graph = new Graph('notes')
 *   .task('collect', async () => ['faster', 'smaller'])
 *   .task('draft', ({ inputs }) => inputs.collect.join(', '), { after: ['collect'], retries: 2 })
 * const report = await run(graph)
 * report.get('draft') // 'faster, smaller'
 * ```
 */
class Graph {
  /** Names, functions and dependencies lie apart, so that a plain task is no object of its own. */
  #ids = []
  #fns = []
  /** @type {Map<string, number>} */
  #places = new Map()
  /** What each task waits for: how many, and their places. */
  #links = []
  /** @type {Map<number, Entry>} by place */
  #entries = new Map()
  /** Whether something in `#links` is not complete. */
  #waits = false
  #settings
  /** Whether runs have its names and functions. */
  #shared = false
  #ready
  #kept

  constructor(name = 'graph') {
    this.name = text(name, 'name')
  }

  /** What runs of it are found by again in a store. */
  get _source() {
    return this.name
  }

  /** Adds a task and answers the graph. Its function is called with a context: `inputs`, `signal`, `attempt`, and more. */
  task(id, fn, options) {
    if (typeof id !== 'string') text(id, 'id')
    // Words are made only where they are said.
    if (typeof fn !== 'function') callable(fn, `the function of task ${id}`)
    if (this.#shared) this.#part()
    const links = this.#links
    const at = links.length
    const read = options === undefined ? undefined : readTask(id, options, Entry)
    let entry = read instanceof Entry ? read : undefined
    const after = entry === undefined ? read : entry.after
    if (after === undefined) {
      links.push(0)
    } else if (this.#link(after)) {
      if (entry !== undefined) entry.after = undefined
    } else {
      entry ??= new Entry()
      entry.after ??= texts(after, 'after')
      links.push(0)
      this.#waits = true
    }
    const place = this.#ids.length
    const places = this.#places
    places.set(id, place)
    if (places.size !== place + 1) {
      places.set(id, this.#ids.indexOf(id))
      links.length = at
      throw new InvalidDefinition(`\`${this.name}\` has a task \`${id}\` already; give this one another name`)
    }
    if (entry !== undefined) this.#entries.set(place, entry)
    this.#ids.push(id)
    this.#fns.push(fn)
    return this
  }

  /** What runs of it have stays as it is: what is added from now on goes into arrays of its own. */
  #part() {
    this.#shared = false
    this.#ids = this.#ids.slice()
    this.#fns = this.#fns.slice()
    this.#ready = this.#kept = undefined
  }

  /** Notes what the next task waits for; whether all of it is there. What is there has a name, so that only the rest has to be checked. */
  #link(after) {
    const links = this.#links
    const places = this.#places
    const at = links.push(after.length) - 1
    for (let i = 0; i < after.length; i++) {
      const from = places.get(after[i])
      if (from === undefined) {
        links.length = at
        return false
      }
      links.push(from)
    }
    return true
  }

  /** Declares something that only so many may use at once; tasks claim it. */
  resource(name, limits = {}) {
    const { capacity, requestsPerMinute, tokensPerMinute, ...rest } = object(limits, 'limits')
    noMore(rest, 'limits')
    const resource = { name: text(name, 'name') }
    if (capacity !== undefined) resource.capacity = whole(capacity, 'capacity', 1)
    if (requestsPerMinute !== undefined) resource.requests_per_minute = whole(requestsPerMinute, 'requestsPerMinute', 1)
    if (tokensPerMinute !== undefined) resource.tokens_per_minute = whole(tokensPerMinute, 'tokensPerMinute', 1)
    ;(this.#set().resources ??= []).push(resource)
    return this
  }

  /** The group is good when `atLeast` of its tasks succeed: failures of the others are forgiven. */
  quorum(group, atLeast) {
    ;(this.#set().quorums ??= {})[text(group, 'group')] = whole(atLeast, 'atLeast', 0)
    return this
  }

  /** How the circuit breaker of that name behaves. */
  breaker(name, options = {}) {
    const {
      failureThreshold,
      successThreshold,
      resetTimeoutMs,
      monitoringPeriodMs,
      probes,
      on,
      whenOpen,
      ...rest
    } = object(options, 'options')
    noMore(rest, 'options')
    const made = {}
    if (failureThreshold !== undefined) made.failure_threshold = whole(failureThreshold, 'failureThreshold', 1)
    if (successThreshold !== undefined) made.success_threshold = whole(successThreshold, 'successThreshold', 1)
    if (resetTimeoutMs !== undefined) made.reset_timeout_ms = millis(resetTimeoutMs, 'resetTimeoutMs')
    if (monitoringPeriodMs !== undefined) made.monitoring_period_ms = millis(monitoringPeriodMs, 'monitoringPeriodMs')
    if (probes !== undefined) made.probes = whole(probes, 'probes', 1)
    if (on !== undefined) made.on = texts(on, 'on')
    if (whenOpen !== undefined) made.when_open = text(whenOpen, 'whenOpen')
    ;(this.#set().breakers ??= {})[text(name, 'name')] = made
    return this
  }

  #set() {
    this.#ready = this.#kept = undefined
    return (this.#settings ??= {})
  }

  /** How many tasks it has. */
  get size() {
    return this.#ids.length
  }

  /** The names of its tasks, in the order in which they were added. */
  get ids() {
    return this.#ids.slice()
  }

  /** Whether it has a task of that name. */
  has(id) {
    return this.#places.has(id)
  }

  /** Checks everything, once; for runs that are kept, with the code of the functions. @returns {Ready} */
  _ready(kept = false) {
    const ready = (this.#ready ??= this.#compile())
    return kept ? (this.#kept ??= ready.of(ready.graph.withFunctions(...this.#codes()))) : ready
  }

  /** The hashes of the code of the functions, each once, and which of them each task has. */
  #codes() {
    const numbers = new Map()
    const places = Uint32Array.from(this.#fns, (fn, place) => {
      const code = this.#entries.get(place)?.core?.sources?.tools?.function ?? codeOf(fn)
      let number = numbers.get(code)
      if (number === undefined) numbers.set(code, (number = numbers.size))
      return number
    })
    return [[...numbers.keys()], places]
  }

  #compile() {
    let { missing, estimates, options } = {}
    const undos = new Map()
    for (const [place, task] of this.#entries) {
      if (task.estimate !== undefined) (estimates ??= []).push([place, task.estimate])
      if (task.undo !== undefined) undos.set(place, task.undo)
      if (task.core !== undefined) {
        ;(options ??= []).push([place, shares(task.core) ? withCode(task.core, this.#fns[place]) : task.core])
      }
    }
    const links = this.#waits ? this.#completed((place, id) => (missing ??= []).push([place, id])) : this.#links
    const ids = this.#ids
    const extras = missing || estimates || options || this.#settings
    const told = extras ? JSON.stringify({ missing, estimates, options, ...this.#settings }) : undefined
    const flat = Uint32Array.from(links)
    const build = (between) => raised(() => native.Graph.build(this.name, ids.join(between), between, flat, told))
    const graph = build(BETWEEN) ?? build(betweenAll(ids))
    const ready = new Ready(graph, options === undefined)
    this.#shared = true
    ready.calls = this.#fns
    ready.links = flat
    ready.undos = undos
    ready._ids = ids
    // Which may come to have more, once the graph has.
    ready._places = this.#places
    return ready
  }

  /** The links, with those to tasks that were added later; says what is not there. */
  #completed(miss) {
    const links = []
    for (let place = 0, at = 0; place < this.#ids.length; place++) {
      const count = this.#links[at]
      const after = this.#entries.get(place)?.after
      const own = links.push(count) - 1
      if (after === undefined) {
        for (let i = 1; i <= count; i++) links.push(this.#links[at + i])
      } else {
        for (const id of after) {
          const from = this.#places.get(id)
          if (from === undefined) miss(place, id)
          else links.push(from)
        }
        links[own] = links.length - own - 1
      }
      at += count + 1
    }
    return links
  }

  /** What follows from the graph alone: levels, critical path, forecasts. */
  plan(options) {
    const { Plan } = require('./plan.js')
    return new Plan(this._ready(), options)
  }

  /** The graph as a Mermaid flowchart. */
  toMermaid() {
    return this._ready().graph.mermaid()
  }

  /** The graph as DOT, for Graphviz. */
  toDot() {
    return this._ready().graph.dot()
  }

  /** The plan of the graph as one HTML page. */
  toHtml() {
    return this._ready().plan().html()
  }

  /** The graph as a plain value, without its functions: what `JSON.stringify` asks for. */
  toJSON() {
    return JSON.parse(raised(() => this._ready().graph.json()))
  }
}

/** Whether what a task makes may be given to other runs. */
function shares(core) {
  return core.outputs?.some((output) => output.ttl_ms !== undefined) ?? false
}

/** The hashes of the code of functions. */
const codes = new WeakMap()

function codeOf(fn) {
  let code = codes.get(fn)
  if (code === undefined) {
    code = raised(() => native.contentHash(JSON.stringify(String(fn))))
    codes.set(fn, code)
  }
  return code
}

/** Options in which the code of the function stands as a tool: with other code it makes something else. */
function withCode(core, fn) {
  const tools = { function: codeOf(fn), ...core.sources?.tools }
  return { ...core, sources: { ...core.sources, tools } }
}


/** Something that parts the names wherever one ends. */
function betweenAll(ids) {
  for (let between = BETWEEN; ; between += '\0') {
    if (ids.join(between).split(between).length === ids.length) return between
  }
}

module.exports = { Graph, Ready }
