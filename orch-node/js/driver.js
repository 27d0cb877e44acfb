'use strict'

// The driver: runs the functions of one run on the loop of Node. What to run, and when, the native session decides.
//
// Whatever finishes in one turn of microtasks is told at once, and at once if nothing else is under way. See decision 0040.

const { AsyncResource } = require('node:async_hooks')

const { Context, kindOf, told } = require('./attempt.js')
const { Fatal, InvalidValue, ofNative, raised } = require('./errors.js')
const { NUMBERS } = require('./event.js')
const native = require('./native.js')

// Taken out of the module, which has so many names that each look takes a while.
const { starts, step } = native
const stepOne = native.stepper()

const NEWS = 1 << 24
const MORE = 1 << 25
const TURN_OVER = 1 << 26
const ONE = 1 << 27
const EVENTS = 1 << 28
const COUNT = NEWS - 1

/** How many results are told in one step at most. */
const ROOM = 1024
const FIRST_BATCH = 16
/** Functions that take longer than this, in milliseconds, are begun one at a time, so that the time of a start is true. */
const SLOW = 0.02
/** Node cuts longer timers to one millisecond. */
const LONGEST_TIMER = 2 ** 31 - 1

const resolved = Promise.resolve()

/** Read when the first run is kept. */
const storable = (value) => require('./store.js').storable(value)

let waker
let sessions = 0
/** Who is woken, by number. */
const awake = new Map()

/** The bell of this thread, made when the first run needs one. */
function bell() {
  return (waker ??= new native.Waker((number) => awake.get(number)?.hurry()))
}

const { then } = Promise.prototype

/** How many listeners wait to be used again at most. */
const MOST_IDLE = 1024
/** How many numbers of events a room has that is used again: a megabyte. */
const MOST_NUMBERS = 2 ** 17

/**
 * Hears how the promise of a first attempt ends, which a promise says once. Then it is used again: so a task needs no functions of its own,
 * and not an async one, which would make a generator and a promise more. It notes a number only: a reference from what has lived long to
 * what is new is something that the collector of garbage has to be told of.
 */
class Listener {
  constructor(room) {
    this.place = 0
    this.worked = (value) => room.heard(this, value, true)
    this.failed = (error) => room.heard(this, error, false)
  }
}

/** What a run and its session write on, and who listens for it. Runs that are over leave it to others. */
class Room {
  constructor(size) {
    /** The run that has it. */
    this.driver = undefined
    /** Places of those that finished. */
    this.done = new Uint32Array(size)
    /** Of those that are to begin; and as bytes, as which the session can write to it. */
    this.starts = new Uint32Array(size)
    this.bytes = Buffer.from(this.starts.buffer)
    /** What is told of events; as bytes too. */
    this.numbers = new Float64Array(size * 2 * NUMBERS)
    this.told = Buffer.from(this.numbers.buffer)
    /** Listeners that listen to nothing, and how many there are in all. */
    this.idle = []
    this.listeners = 0
  }

  listener(place) {
    let listener = this.idle.pop()
    if (listener === undefined) {
      this.listeners++
      listener = new Listener(this)
    }
    listener.place = place
    return listener
  }

  heard(listener, value, worked) {
    if (this.idle.length < MOST_IDLE) this.idle.push(listener)
    else this.listeners--
    this.driver.settled(listener.place, value, worked)
  }

  /** The events that a session has, their numbers in `numbers`. */
  events(session) {
    const events = session.takeEvents(this.told) ?? undefined
    if (events === undefined || events.count <= this.numbers.length) return events
    this.numbers = new Float64Array(2 ** Math.ceil(Math.log2(events.count)))
    this.told = Buffer.from(this.numbers.buffer)
    return session.takeEvents(this.told)
  }

  /** Whether another run may have it: nobody listens for its own any more, and it is not large. */
  get isFree() {
    return this.idle.length === this.listeners && this.numbers.length <= MOST_NUMBERS
  }
}

const rooms = []
const NOWHERE = new Room(0)

/** One run. */
class Driver {
  constructor(ready, options, reader, ended) {
    this.ready = ready
    this.context = options.context
    this.graceMs = options.graceMs
    this.reader = reader
    this.ended = ended
    this.given = options.inputs
    this.state = 'running'
    this.broken = undefined
    this.calls = ready.calls
    const size = ready.graph.size
    /** What tasks made, by place. */
    this.values = new Array(size).fill(undefined)
    /** What they threw. */
    this.errors = new Map()
    /** The attempt under way, by place. */
    this.live = new Array(size).fill(undefined)
    this.waiting = 0
    /** Whether a store keeps the run: then everything that tasks make has to cross. */
    this.kept = options.store !== undefined
    /** Whether it asks a ledger, which may be on a disk. */
    this.books = options.ledger !== undefined
    this.crossing = ready.readsValues || this.kept
    this.room = rooms.pop() ?? new Room(ROOM)
    this.room.driver = this
    this.places = this.room.done
    this.done = 0
    this.batch = FIRST_BATCH
    this.busy = false
    this.scheduled = false
    /** There is something to hear or to do beside what finished. */
    this.stale = true
    this.telling = false
    this.tells = undefined
    /** More could begin at once. */
    this.more = false
    this.timer = undefined
    this.rung = false
    this.alive = undefined
    this.goOn = () => this.#go()
    // Timers, bells and signals call from elsewhere: what runs then is still this run's, with its AsyncLocalStorage.
    const scope = new AsyncResource('ORCH_RUN')
    const hurry = () => {
      this.stale = true
      this.#go()
    }
    this.hurry = () => scope.runInAsyncScope(hurry)
    // The time has come for which the session asked, or nearly: then it asks again.
    this.ring = () => {
      this.rung = true
      this.hurry()
    }
    this.number = 0
    let ring
    this.hears = ready.hearsOthers || ready.programs !== undefined || this.kept || this.books
    if (this.hears) {
      this.number = ++sessions
      awake.set(this.number, this)
      ring = bell()
    }
    const { core } = options
    const said = core === undefined ? undefined : JSON.stringify(this.crossing ? core : { ...core, inputs: undefined })
    try {
      const { resume } = options
      // What is kept of added tasks is part of the graph that goes on.
      const plan = resume === undefined ? ready.plan() : resume.graph().plan(undefined, undefined)
      const seams = seamsOf(ready, options)
      this.session = new native.Session(plan, said, reader !== undefined, ring, this.number, seams)
      this.session.setBatch(FIRST_BATCH)
      this.key = this.session.key
      if (resume !== undefined) {
        const { size } = resume.graph()
        while (this.calls.length < size) this.#meet(this.calls.length)
      }
    } catch (error) {
      awake.delete(this.number)
      throw ofNative(error)
    }
  }

  /** Goes on in this turn of microtasks, after all that finishes in it. */
  poke() {
    if (!this.scheduled && !this.busy) {
      this.scheduled = true
      resolved.then(this.goOn)
    }
  }

  /** Hears what finished and begins what is ready, as long as there is anything. */
  #go() {
    this.scheduled = false
    if (this.busy) return
    this.busy = true
    try {
      const { key } = this
      while (this.state === 'running' && (this.done > 0 || this.stale || this.more)) {
        if (!this.stale && this.reader !== undefined && this.reader.isFull()) break
        const single = this.done === 1
        const word = single ? stepOne(key, this.places[0]) : step(key, this.places, this.done, this.room.bytes)
        if ((word & TURN_OVER) !== 0) {
          // What finished has been told. `busy` until then: whatever finishes in the meantime is only noted.
          this.done = 0
          setImmediate(this.#afterTurn)
          return
        }
        this.done = 0
        this.stale = false
        this.more = (word & MORE) !== 0
        if ((word & EVENTS) !== 0 && !this.telling) {
          this.telling = true
          this.tells = setImmediate(this.#tellEvents)
        }
        if ((word & ONE) !== 0) {
          if ((word & NEWS) !== 0 || this.rung) this.#news()
          this.#begin(word & COUNT)
          continue
        }
        const count = word & COUNT
        if (single && count > 0) starts(key, this.room.bytes)
        if ((word & NEWS) !== 0 || this.rung) this.#news()
        if (count > 0 && this.state === 'running') this.#beginAll(count)
      }
    } catch (error) {
      this.#end(ofNative(error))
    }
    this.busy = false
    if (this.hears) this.#stayAlive()
  }

  /** Events are told once a turn of the loop, or when there are many. */
  #tellEvents = () => {
    this.telling = false
    if (this.state !== 'running') return
    // A listener may let the run go on, which then has more to tell: after this, and not where this is read.
    const { busy } = this
    this.busy = true
    try {
      this.#hearEvents()
    } finally {
      this.busy = busy
    }
    if (!busy && (this.done > 0 || this.stale)) this.#go()
  }

  #hearEvents() {
    const events = this.room.events(this.session)
    if (events !== undefined) this.reader.put(events.first, this.room.numbers, events.count, events.texts)
  }

  #afterTurn = () => {
    this.busy = false
    this.stale = true
    this.#go()
  }

  /** Begins a batch; how long that takes decides how many the next has. */
  #beginAll(count) {
    const { starts } = this.room
    const began = performance.now()
    for (let i = 0; i < count; i++) this.#begin(starts[i])
    const each = (performance.now() - began) / count
    const batch = each > SLOW ? 1 : Math.min(this.batch * 2, ROOM)
    if (batch !== this.batch) {
      this.batch = batch
      this.session.setBatch(batch)
    }
  }

  /** Begins the first attempt of a task. */
  #begin(place) {
    this.#call(this.calls[place], new Context(this, place, 1, false), undefined)
  }

  #call(fn, context, given) {
    const place = context._place
    this.live[place] = context
    let value
    try {
      value = context._undo ? fn(given, context) : fn(context)
      if (value instanceof Promise && value.then === then && isFirst(context)) {
        this.waiting++
        const listener = this.room.listener(place)
        then.call(value, listener.worked, listener.failed)
        return
      }
      if (value !== null && (typeof value === 'object' || typeof value === 'function') && typeof value.then === 'function') {
        this.waiting++
        this.#wait(context, value)
        return
      }
    } catch (error) {
      this.#failed(context, error)
      return
    }
    this.#worked(context, value)
  }

  /** The promise of the first attempt at that place is settled. Another attempt may be under way by now. */
  settled(place, value, worked) {
    const context = this.live[place]
    if (context !== undefined && isFirst(context) && this.#leave(context)) {
      if (worked) this.#worked(context, value)
      else this.#failed(context, value)
    }
    this.#next()
  }

  /** Any thenable: some settle twice, or at once, or throw. */
  async #wait(context, promise) {
    let value
    try {
      value = await promise
    } catch (error) {
      if (this.#leave(context)) this.#failed(context, error)
      this.#next()
      return
    }
    if (this.#leave(context)) this.#worked(context, value)
    this.#next()
  }

  /** Whether anybody still wants to know of the attempt. */
  #leave(context) {
    if (this.live[context._place] !== context) return false
    if (context._grace !== undefined) clearTimeout(context._grace)
    this.waiting--
    return true
  }

  /** Tells what finished: at once if there is nobody else to hear of. */
  #next() {
    if (this.busy) return
    if (this.waiting === 0) this.#go()
    else if (this.done > 0 || this.stale) this.poke()
  }

  #worked(context, value) {
    const place = context._place
    this.live[place] = undefined
    if (context._undo) {
      this.#tell(context, 'done')
      return
    }
    if (value !== undefined) {
      this.values[place] = value
      if (this.crossing) {
        this.#cross(context, value)
        return
      }
    }
    if (context.attempt === 1) {
      if (this.done === ROOM) {
        this.session.tellDone(this.places)
        this.done = 0
      }
      this.places[this.done++] = place
    } else {
      this.#tell(context, 'done')
    }
  }

  /** Hands a result to the core, where it has a JSON form. */
  #cross(context, value) {
    let text
    try {
      text = this.kept ? storable(value) : JSON.stringify(value)
    } catch (error) {
      if (this.kept) {
        const message = `the result of task \`${context.id}\` cannot be kept in a store, which keeps JSON: ${error.message}`
        this.#failed(context, new InvalidValue(message, { cause: error }), 'fatal')
        return
      }
      if (this.ready.strict?.has(context._place)) {
        this.#failed(context, new Fatal('the result cannot be shared: it has no JSON form', { cause: error }))
        return
      }
    }
    if (text === undefined) this.#tell(context, 'done')
    else this.#tell(context, 'json', text)
  }

  #failed(context, error, kind = kindOf(error)) {
    const place = context._place
    this.live[place] = undefined
    const stopped = context._stopped !== undefined
    // What a stopped attempt throws is only how it stopped.
    if (!stopped) this.errors.set(place, error)
    this.#tell(context, stopped ? 'cancelled' : kind, told(error))
  }

  #tell(context, kind, text) {
    if (this.state !== 'running') return
    this.session.tell(context._place, context.attempt, kind, text)
    this.stale = true
  }

  /** What an attempt says while it runs. */
  say(context, kind, text) {
    if (this.live[context._place] !== context || this.state !== 'running') return
    this.#tell(context, kind, text)
    resolved.then(this.hurry)
  }

  /** An attempt says what it used: nobody wants to know of one that is over. */
  used(context, usage) {
    if (this.live[context._place] !== context || this.state !== 'running') return
    raised(() => this.session.used(context._place, context.attempt, JSON.stringify(usage)))
  }

  /** What is rare in a run of plain tasks. */
  #news() {
    this.rung = false
    const { starts, cancels, wakeInMs, state, size } = this.session.news()
    if (this.reader !== undefined) this.#hearEvents()
    while (this.calls.length < size) this.#meet(this.calls.length)
    for (let i = 0; i < cancels.length; i += 3) this.#cancel(cancels[i], cancels[i + 1])
    clearTimeout(this.timer)
    this.timer = undefined
    if (state !== 'running') {
      this.state = state
      this.#end(undefined)
      return
    }
    for (let i = 0; i < starts.length; i += 3) this.#again(starts[i], starts[i + 1], starts[i + 2] === 1)
    if (wakeInMs !== undefined && wakeInMs !== null) {
      this.timer = setTimeout(this.ring, Math.min(Math.ceil(wakeInMs), LONGEST_TIMER))
    }
  }

  /** A task that the run added: the function of its agent does it. */
  #meet(place) {
    if (this.calls === this.ready.calls) this.calls = [...this.calls]
    const { agents } = this.ready
    const agent = this.optionsOf(place).agent
    this.calls.push(agents?.get(agent) ?? agents?.get('*') ?? nobody)
    this.values.push(undefined)
    this.live.push(undefined)
  }

  /** An attempt that is not a first one, or one to undo. */
  #again(place, number, undo) {
    const context = new Context(this, place, number, undo)
    if (undo) this.#call(this.ready.undos.get(place), context, this.valueOf(place))
    else this.#call(this.calls[place], context, undefined)
  }

  /** Tells an attempt to stop. One that does not listen is left to itself; one that does has a while to clear up. */
  #cancel(place, number) {
    const context = this.live[place]
    if (context === undefined || context.attempt !== number || context._stopped !== undefined) return
    const listens = context._listens
    context._stop(new DOMException('the attempt was told to stop', 'AbortError'))
    if (listens && this.graceMs > 0) context._grace = setTimeout(() => this.#abandon(context), this.graceMs)
    else resolved.then(() => this.#abandon(context))
  }

  /** Nobody waits for the attempt any more. */
  #abandon(context) {
    if (this.live[context._place] !== context) return
    this.waiting--
    this.live[context._place] = undefined
    this.#tell(context, 'cancelled', 'stopped')
    this.#next()
  }

  /** Asks the run to stop. */
  cancel(reason) {
    if (this.state !== 'running') return
    this.session.cancel(reason)
    resolved.then(this.hurry)
  }

  #end(error) {
    if (error !== undefined) {
      this.state = 'failed'
      this.broken = error
      for (const context of this.live) context?._stop(new DOMException('the run is over', 'AbortError'))
    }
    clearTimeout(this.timer)
    clearInterval(this.alive)
    this.alive = undefined
    // Else it would hold all that the run had, until others have had a turn.
    clearImmediate(this.tells)
    awake.delete(this.number)
    // Nothing is told of a run that is over, but listeners may still hear.
    const { room } = this
    if (room !== NOWHERE && room.isFree) {
      room.driver = undefined
      rooms.push(room)
    }
    this.room = NOWHERE
    this.places = NOWHERE.done
    if (this.reader !== undefined) this.reader.close()
    this.ended()
  }

  /** A run that waits for what other threads or processes say keeps the process alive, which would else end. */
  #stayAlive() {
    const needed = this.state === 'running' && (this.waiting === 0 || this.kept || this.books || this.ready.programs !== undefined)
    if (needed) this.alive ??= setInterval(() => {}, LONGEST_TIMER)
    else if (this.alive !== undefined) {
      clearInterval(this.alive)
      this.alive = undefined
    }
  }

  /** Whether the run added tasks. */
  get hasGrown() {
    return this.calls !== this.ready.calls
  }

  // What attempts ask for.

  idOf(place) {
    const { ids } = this.ready
    return place < ids.length ? ids[place] : this.session.task(place).id
  }

  optionsOf(place) {
    return JSON.parse(this.session.task(place).options)
  }

  /** What a task made: here, or known to the core. */
  valueOf(place) {
    const value = this.values[place]
    if (value !== undefined || !this.crossing) return value
    const text = this.session.output(place)
    return text === undefined || text === null ? undefined : JSON.parse(text)
  }

  inputsOf(context) {
    const place = context._place
    let inputs
    if (this.crossing && this.state === 'running') {
      const text = this.session.values(place, context.attempt, context._undo)
      if (text !== undefined && text !== null) inputs = JSON.parse(text)
    }
    const { ready } = this
    if (this.hasGrown) {
      // The run added tasks: also older ones may wait for them.
      inputs = { ...inputs, ...this.given }
      for (const parent of this.session.task(place).parents) inputs[this.idOf(parent)] = this.valueOf(parent)
      return inputs
    }
    const parents = ready.parentsOf(place)
    if (parents.length === 0 && inputs === undefined && this.given === undefined) return undefined
    inputs = { ...inputs, ...this.given }
    const { ids } = ready
    for (let i = 0; i < parents.length; i++) inputs[ids[parents[i]]] = this.valueOf(parents[i])
    return inputs
  }
}

function isFirst(context) {
  return context.attempt === 1 && !context._undo
}

/** What a run is given beside its graph; nothing for most. */
function seamsOf({ programs, locks }, { cache, store, sync, source, resume, ledger, prices, labels, telling }) {
  if (!(programs || locks || cache || store || ledger || prices || telling)) return undefined
  const seams = new native.Seams()
  if (programs !== undefined) seams.programs(programs)
  if (locks !== undefined) seams.locks(locks)
  if (cache !== undefined) seams.cache(cache._native)
  if (store !== undefined) {
    seams.store(store._of(sync), source)
    // However they write: the runs of one store know each other's claims without asking the file.
    if (locks === undefined) seams.locksOf(store._of())
  }
  if (ledger !== undefined) seams.ledger(ledger._native, labels && JSON.stringify(labels), process.cwd())
  if (prices !== undefined) seams.prices(prices._native)
  if (telling !== undefined) seams.telling(telling)
  if (resume !== undefined) seams.resume(resume)
  return seams
}

/** Stands for the function of an agent that nobody gave. */
function nobody(context) {
  throw new Fatal(`there is no function for the agent \`${context.agent}\` of the added task \`${context.id}\``)
}

module.exports = { Driver }
