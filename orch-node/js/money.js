'use strict'

// Money: prices of models, usage in what agents say, the ledger, and budgets. Amounts are numbers of dollars; the core counts whole
// nano-dollars, and every amount below nine million dollars is told as the number that prints as it.

const { InvalidType, InvalidValue, raised } = require('./errors.js')
const native = require('./native.js')
const { noMore, number, object, settled, text, texts, truth, typeOf, wrong } = require('./options.js')

const COLUMNS = ['run', 'phase', 'task', 'agent', 'model', 'worktree', 'branch']

/** Dollars for the core: a number, or text for those who want it exact. */
function dollars(value, field) {
  if (typeof value !== 'number' && typeof value !== 'string') throw wrong(field, 'a number of dollars, or text', value)
  if (typeof value === 'number' && !Number.isFinite(value)) throw new InvalidValue(`\`${field}\` is ${value}; give dollars`)
  return value
}

/** A time for the core: a `Date`, or text. */
function time(value, field) {
  if (value === undefined) return undefined
  if (value instanceof Date) {
    if (Number.isNaN(value.getTime())) throw new InvalidValue(`\`${field}\` is no time`)
    return value.toISOString()
  }
  if (typeof value !== 'string') throw wrong(field, 'a Date or a string', value)
  return value
}

/** Who spends: an object of columns. */
function labels(value, field) {
  const made = {}
  for (const name of Object.keys(object(value, field))) {
    if (!COLUMNS.includes(name)) throw new InvalidType(`${field}: there is no column \`${name}\`; known here: ${COLUMNS.join(', ')}`)
    if (value[name] !== undefined) made[name] = text(value[name], `${field}.${name}`)
  }
  return made
}

const FIELDS = {
  model: 'model',
  input: 'input',
  output: 'output',
  cacheRead: 'cache_read',
  cacheWrite: 'cache_write',
  cacheWrite1h: 'cache_write_1h',
  reasoning: 'reasoning',
  requests: 'requests',
  items: 'items',
  terms: 'terms',
}

/** One entry of a usage for the core. */
function entry(value, field, model) {
  const made = {}
  for (const name of Object.keys(object(value, field))) {
    if (value[name] === undefined) continue
    if (name === 'billedUsd') made.billed = Math.round(number(value[name], `${field}.billedUsd`) * 1e9)
    else if (Object.hasOwn(FIELDS, name)) made[FIELDS[name]] = value[name]
    else throw new InvalidType(`${field}: there is no \`${name}\`; known here: ${Object.keys(FIELDS).join(', ')}, billedUsd`)
  }
  if (model !== undefined) made.model = model
  if (typeof made.model !== 'string') throw wrong(`${field}.model`, 'a string', made.model)
  return made
}

/** A usage for the core: one entry, several, or what `usage` found. */
function entries(value, field, model) {
  const list = Array.isArray(value) ? value : Array.isArray(value?.models) ? value.models : [value]
  return list.map((one) => entry(one, field, model))
}

/** What a task expects to use, for the core. */
function expected(value) {
  return entries(value, 'expects').map((one) => (one.requests > 0 ? one : { ...one, requests: 1 }))
}

/** One entry of a usage of the core. */
function usageOf(form) {
  const { cache_read = 0, cache_write = 0, cache_write_1h = 0, reasoning = 0, items = {}, terms = {}, billed, ...rest } = form
  const made = { ...rest, cacheRead: cache_read, cacheWrite: cache_write, cacheWrite1h: cache_write_1h, reasoning, items, terms }
  return billed === undefined ? made : { ...made, billedUsd: billed / 1e9 }
}

const maybe = (value, of) => (value === null || value === undefined ? undefined : of(value))
const date = (value) => new Date(value)

function priceOf({ model, list, at, fallback }) {
  return { model, list, at: date(at), fallback }
}

function quoteOf({ usd, input_usd, output_usd, price, usage }) {
  return {
    usd: Number(usd),
    nanos: nanosOf(usd),
    inputUsd: maybe(input_usd, Number),
    outputUsd: maybe(output_usd, Number),
    price: priceOf(price),
    usage: usageOf(usage),
  }
}

/** Decimal text of dollars as whole nano-dollars. */
function nanosOf(usd) {
  const [, sign, whole, part = ''] = /^(-?)(\d+)(?:\.(\d+))?$/.exec(usd)
  const nanos = BigInt(whole) * 1_000_000_000n + BigInt(part.padEnd(9, '0'))
  return sign === '-' ? -nanos : nanos
}

/** Prices of models: the published ones that this version knows, with their history, and your own. */
class Prices {
  constructor(options = {}) {
    const { file, rates, aliases, ...rest } = object(options, 'options')
    noMore(rest, 'options')
    const own = {}
    for (const model of Object.keys(rates === undefined ? {} : object(rates, 'rates'))) {
      const { input, output, cacheRead, cacheWrite, cacheWrite1h, ...others } = object(rates[model], `rates.${model}`)
      noMore(others, `rates.${model}`)
      own[model] = { input, output, cache_read: cacheRead, cache_write: cacheWrite, cache_write_1h: cacheWrite1h }
    }
    for (const alias of Object.keys(aliases === undefined ? {} : object(aliases, 'aliases'))) text(aliases[alias], `aliases.${alias}`)
    const path = file instanceof URL ? require('node:url').fileURLToPath(file) : file
    const json = (value) => (value === undefined ? undefined : JSON.stringify(value))
    this._native = raised(
      () => new native.NativePrices(path === undefined ? undefined : text(path, 'file'), JSON.stringify(own), json(aliases)),
    )
  }

  /** What a model's usage costs. */
  price(model, usage, options = {}) {
    const { at, provider, batch = false, ...rest } = object(options, 'options')
    noMore(rest, 'options')
    const name = provider === undefined ? text(model, 'model') : `${text(provider, 'provider')}/${text(model, 'model')}`
    const [used, ...others] = entries(usage, 'usage', name)
    if (used === undefined || others.length > 0) throw new InvalidValue('`usage` must be of one model; ask for the `total` of several')
    if (truth(batch, 'batch')) used.terms = { ...used.terms, processing: 'batch' }
    used.requests ??= 1
    return this.#quoted([used], at).quotes[0]
  }

  /** What the usage of any models costs together, and each by itself. */
  total(usage, options = {}) {
    const { at, ...rest } = object(options, 'options')
    noMore(rest, 'options')
    return this.#quoted(entries(usage, 'usage'), at)
  }

  #quoted(usage, at) {
    const { usd, entries } = JSON.parse(raised(() => this._native.quoted(JSON.stringify(usage), time(at, 'at'))))
    return { usd: Number(usd), nanos: nanosOf(usd), quotes: entries.map(quoteOf) }
  }
}

/** What an agent or an API says that it used: its text, or the JSON in it. */
function usage(said, options = {}) {
  const { model, provider, batch = false, dialect, ...rest } = object(options, 'options')
  noMore(rest, 'options')
  for (const [name, value] of Object.entries({ model, provider, dialect })) if (value !== undefined) text(value, name)
  const parsed = typeof said !== 'string' && !(said instanceof Uint8Array)
  if (parsed) object(Array.isArray(said) ? {} : said, 'said')
  const words = parsed ? JSON.stringify(said) : typeof said === 'string' ? said : new TextDecoder().decode(said)
  const asked = JSON.stringify({ model, provider, batch: truth(batch, 'batch'), dialect })
  const found = JSON.parse(raised(() => native.usageIn(words, parsed, asked)))
  return { dialect: found.dialect, models: found.models.map(usageOf), messages: found.messages }
}

const LIMIT = { usd: 'usd', name: 'name', per: 'per', zone: 'zone', each: 'each', atLimit: 'at_limit', milestones: 'milestones' }

/** A budget for the core: dollars for each run, one limit, or several. */
function limits(value, field) {
  if (typeof value === 'number' || typeof value === 'string') return dollars(value, field)
  return Array.isArray(value) ? value.map((one) => limit(one, field)) : limit(value, field)
}

function limit(value, field) {
  const made = {}
  for (const name of Object.keys(object(value, field))) {
    const key = Object.hasOwn(LIMIT, name) ? LIMIT[name] : COLUMNS.includes(name) ? name : undefined
    if (key === undefined) {
      throw new InvalidType(`${field}: there is no \`${name}\`; known here: ${[...Object.keys(LIMIT), ...COLUMNS].join(', ')}`)
    }
    if (value[name] !== undefined) made[key] = value[name]
  }
  if (made.usd !== undefined) dollars(made.usd, `${field}.usd`)
  return made
}

function bookedOf(form) {
  const milestone = (one) => ({ budget: one.limit, period: one.period, usd: Number(one.usd), spentUsd: Number(one.spent_usd), charges: one.charges })
  return {
    milestones: form.milestones.map(milestone),
    over: Object.fromEntries(form.over.map(({ limit, usd }) => [limit, Number(usd)])),
  }
}

/** What came of asking for money. */
class Reservation {
  #ledger
  #who

  constructor(ledger, who, form) {
    this.#ledger = ledger
    this.#who = who
    this.granted = form.granted
    this.id = form.id
    this.usd = Number(form.usd ?? 0)
    this.why = form.why
    this.again = form.again
  }

  /** Gives it back, and books what was spent of it. */
  async settle(spent) {
    if (!this.granted) throw new InvalidValue(`nothing is reserved: ${this.why}`)
    return this.#ledger._settle(this.id, spent === 0 ? [] : [chargeOf(spent, this.#who)])
  }
}

/** Something that was spent, for the core: dollars, or `{usd, usage, failed}` and who. */
function chargeOf(spent, who) {
  if (typeof spent === 'number' || typeof spent === 'string') return { who, usd: dollars(spent, 'usd') }
  const { usd, usage: used, failed = false, attempt, ...rest } = object(spent, 'spent')
  if (usd === undefined && used === undefined) throw new InvalidValue('nothing says what was spent: give `usd`, `usage`, or both')
  const made = { who: { ...who, ...labels(rest, 'spent') }, failed: truth(failed, 'failed') }
  if (usd !== undefined) made.usd = dollars(usd, 'usd')
  if (used !== undefined) made.usage = entries(used, 'usage')
  if (attempt !== undefined) made.attempt = number(attempt, 'attempt')
  return made
}

/** Who may spend what, and who spent what. */
class Ledger {
  constructor(options = {}) {
    const { store, budget, prices, ...rest } = object(options, 'options')
    noMore(rest, 'options')
    if (store !== undefined && !(store instanceof require('./store.js').Store)) throw wrong('store', 'a Store', store)
    if (prices !== undefined && !(prices instanceof Prices)) throw wrong('prices', 'Prices', prices)
    const told = budget === undefined ? undefined : JSON.stringify(limits(budget, 'budget'))
    this._native = raised(() => new native.NativeLedger(store?._of(), told, prices?._native))
  }

  /** The names of its limits. */
  get limits() {
    return this._native.limits()
  }

  /** What was spent, added up, the most first. */
  async costs(query) {
    const { rows } = JSON.parse(await this.#costs(query, false))
    return rows.map(({ usd, ...row }) => ({ of: row.of, usd: Number(usd), charges: row.charges, failed: row.failed, input: row.input, output: row.output }))
  }

  /** The same as JSON text, exactly as `orch cost --json` writes it. */
  costsJson(query) {
    return this.#costs(query, false)
  }

  /** The same as CSV, with a head. */
  costsCsv(query) {
    return this.#costs(query, true)
  }

  #costs(query, csv) {
    return settled(() => this._native.costs(asked(query), csv))
  }

  /** Every charge by itself, in order. */
  async charges(query) {
    const { charges } = JSON.parse(await this.chargesJson(query))
    return charges.map(({ at, usd, who, attempt, failed, assumed, usage: used, price }) => ({
      at: date(at),
      usd: Number(usd),
      who,
      attempt,
      failed,
      assumed,
      usage: maybe(used, usageOf),
      price: maybe(price, priceOf),
    }))
  }

  /** The same as JSON text, with exact amounts. */
  chargesJson(query) {
    return settled(() => this._native.charges(asked(query), false))
  }

  /** The same as CSV, with a head. */
  chargesCsv(query) {
    return settled(() => this._native.charges(asked(query), true))
  }

  /** How the budgets stand in their present periods, and where they lead. */
  async budgets() {
    const { budgets } = JSON.parse(await settled(() => this._native.form()))
    return budgets.map((it) => ({
      name: it.name,
      of: it.of ?? {},
      period: it.period,
      start: maybe(it.start, date),
      end: maybe(it.end, date),
      usd: Number(it.usd),
      spentUsd: Number(it.spent_usd),
      reservedUsd: Number(it.reserved_usd),
      leftUsd: Number(it.left_usd),
      charges: it.charges,
      reached: it.reached.map(Number),
      projectedUsd: maybe(it.projected_usd, Number),
      ends: maybe(it.ends, date),
    }))
  }

  /** What is reserved now. */
  async inFlight() {
    const { in_flight: all } = JSON.parse(await settled(() => this._native.form()))
    return all.map(({ id, since, parts }) => ({ id, since: date(since), parts: parts.map(({ who, usd }) => ({ who, usd: Number(usd) })) }))
  }

  /** Reserves what something may cost at most, in all budgets that it counts for, or in none. */
  async reserve(usd, who = {}) {
    const spender = labels(who, 'who')
    const amount = JSON.stringify(dollars(usd, 'usd'))
    return new Reservation(this, spender, JSON.parse(await settled(() => this._native.reserve(JSON.stringify(spender), amount))))
  }

  /** Books what was spent without a reservation. */
  async charge(spent, who = {}) {
    const charges = JSON.stringify([chargeOf(spent, labels(who, 'who'))])
    return bookedOf(JSON.parse(await settled(() => this._native.charge(charges))))
  }

  /** What somebody has to say before more is spent, and answers that their runs have not heard yet. */
  async gates() {
    const gates = JSON.parse(await settled(() => this._native.gates()))
    return gates.map(({ id, at, who, limit, usd, why, said, by }) => {
      const asked = { id, at: date(at), who, budget: limit, usd: Number(usd), why }
      return said === null ? asked : { ...asked, said: Object.keys(SAID).find((word) => SAID[word] === said), by }
    })
  }

  /** Says whether it may be spent, for whatever process asks. */
  async answer(id, said, options = {}) {
    const { by = 'a program', ...rest } = object(options, 'options')
    noMore(rest, 'options')
    if (!Object.hasOwn(SAID, text(said, 'said'))) throw new InvalidValue(`\`said\` is \`${said}\`; give 'yes', 'all' or 'no'`)
    await settled(() => this._native.answer(text(id, 'id'), SAID[said], text(by, 'by')))
  }

  /** Counts a reservation as spent: its process died, and nobody knows what it cost. */
  assume(id) {
    return this._settle(text(id, 'id'), undefined)
  }

  async _settle(id, charges) {
    const told = charges === undefined ? undefined : JSON.stringify(charges)
    return bookedOf(JSON.parse(await settled(() => this._native.settle(id, told))))
  }
}

/** What is said to a question, as the core has it. */
const SAID = { yes: 'once', all: 'run', no: 'no' }

/** What is asked of a ledger, for the core. */
function asked(query = {}) {
  const { by = ['agent', 'model'], since, until, zone = 'UTC', only = {}, ...rest } = object(query, 'query')
  noMore(rest, 'query')
  return JSON.stringify({
    by: texts(by, 'by'),
    since: time(since, 'since') ?? null,
    until: time(until, 'until') ?? null,
    zone: text(zone, 'zone'),
    only: labels(only, 'only'),
  })
}

/** Where a run books what it spends: the ledger that it is given, else one of its store. */
function ledgerOf(budget, store, prices) {
  if (budget instanceof Ledger) {
    if (prices !== undefined) throw new InvalidValue('a `Ledger` has its own `prices`; give them to it')
    return budget
  }
  if (budget === undefined && prices === undefined) return store?._book()
  if (budget !== undefined && typeof budget !== 'number' && typeof budget !== 'string' && typeof budget !== 'object') {
    throw new InvalidType(`\`budget\` must be dollars, a limit, limits, or a Ledger; got ${typeOf(budget)}`)
  }
  return new Ledger({ store, budget, prices })
}

module.exports = { Ledger, Prices, dollars, entries, expected, labels, ledgerOf, usage }
