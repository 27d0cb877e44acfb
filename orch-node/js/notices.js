'use strict'

// Notices: what people are told outside, in Discord, Slack or by a webhook.

const { randomUUID } = require('node:crypto')

const { InvalidValue, raised } = require('./errors.js')
const { dollars } = require('./money.js')
const native = require('./native.js')
const { millis, noMore, object, settled, text, truth, whole, wrong } = require('./options.js')

/** A fact of a notice. */
function field(value) {
  const { name, value: says, inline = true, ...rest } = object(value, 'fields')
  noMore(rest, 'fields')
  return { name: text(name, 'fields.name'), value: String(says), inline: truth(inline, 'fields.inline') }
}

/** A notice for the core: a title, or an object. */
function told(notice) {
  if (typeof notice === 'string') return JSON.stringify({ kind: 'note', title: notice, color: 0x0099ff, fields: [] })
  const { title, description, content, color = 0x0099ff, fields = [], ...rest } = object(notice, 'notice')
  noMore(rest, 'notice')
  const list = Array.isArray(fields) ? fields : Object.entries(object(fields, 'fields')).map(([name, value]) => ({ name, value }))
  const words = { title: text(title, 'notice.title'), color: whole(color, 'notice.color', 0), fields: list.map(field) }
  if (description !== undefined) words.description = text(description, 'notice.description')
  if (content !== undefined) words.content = text(content, 'notice.content')
  return JSON.stringify({ kind: 'note', ...words })
}

/** Tells people: a notice is put into the outbox of a store, once for each key, and delivered from there. */
class Notices {
  #native

  constructor(options = {}) {
    const { store, discord, slack, webhook, local = false, ...rest } = object(options, 'options')
    noMore(rest, 'options')
    if (store !== undefined && !(store instanceof require('./store.js').Store)) throw wrong('store', 'a Store', store)
    const given = Object.entries({ discord, slack, webhook }).filter(([, address]) => address !== undefined)
    const addresses = given.map(([kind, address]) => text(address instanceof URL ? address.href : address, kind))
    const kinds = given.map(([kind]) => kind)
    this.#native = raised(() => new native.NativeNotices(store?._of(), kinds, addresses, truth(local, 'local')))
  }

  /** Tells of a run, and of the budget of that ledger; for the driver. */
  _of(ledger) {
    return raised(() => new native.NativeTelling(this.#native, ledger?._native))
  }

  /** The names of those who are told. Never their addresses. */
  get targets() {
    return this.#native.targets()
  }

  /** Puts a notice into the outbox, for each target that was not told this key before; answers for how many. */
  async post(key, notice) {
    const words = told(notice)
    return settled(() => this.#native.post(text(key, 'key'), words))
  }

  /** Posts a notice and delivers what is due. */
  async send(notice, options = {}) {
    const { key = randomUUID(), patienceMs = 10_000, ...rest } = object(options, 'options')
    noMore(rest, 'options')
    await this.post(key, notice)
    return this.deliver({ patienceMs })
  }

  /** Posts that a budget has reached a milestone, once for each budget, period and amount, whoever notices it. */
  async milestone(milestone) {
    const { budget, period, usd, spentUsd, ofUsd, executions = 0, prs = 0, ...rest } = object(milestone, 'milestone')
    noMore(rest, 'milestone')
    const words = {
      kind: 'milestone',
      milestone_usd: dollars(usd, 'milestone.usd'),
      spent_usd: dollars(spentUsd, 'milestone.spentUsd'),
      budget_usd: dollars(ofUsd, 'milestone.ofUsd'),
      prs: whole(prs, 'milestone.prs', 0),
      executions: whole(executions, 'milestone.executions', 0),
    }
    const key = `budget/${text(budget, 'milestone.budget')}/${text(period, 'milestone.period')}/${usd}`
    return settled(() => this.#native.post(key, JSON.stringify(words)))
  }

  /** Sends what is due, one letter after the other. */
  async deliver(options = {}) {
    const { patienceMs = 0, ...rest } = object(options, 'options')
    noMore(rest, 'options')
    const { sent, later, dropped, why } = JSON.parse(await settled(() => this.#native.deliver(millis(patienceMs, 'patienceMs'))))
    return { sent, later, dropped, why }
  }

  /** The letters, the latest first. */
  async list(options = {}) {
    const { limit = 100, ...rest } = object(options, 'options')
    noMore(rest, 'options')
    if (whole(limit, 'limit', 0) > 2 ** 32 - 1) throw new InvalidValue(`\`limit\` is ${limit}`)
    const rows = JSON.parse(await settled(() => this.#native.letters(limit)))
    return rows.map(({ letter: { key, target, state, tries, why }, posted }) => ({ key, target, state, tries, posted: new Date(posted), why }))
  }
}

/** Who is told of a run: `notify`, where that is `true` those of the environment. */
function noticesOf(notify, store) {
  if (notify === true && store === undefined) {
    throw new InvalidValue('what is to be told waits in a store until it is sent: give `notify` a `store`')
  }
  const notices = notify === true ? new Notices({ store }) : notify
  if (!(notices instanceof Notices)) throw wrong('notify', 'Notices, true or false', notify)
  return notices
}

/** Waits until everybody is told, or is to be told later. What came of it is not the run's: a warning says so. */
async function tell(telling) {
  let why
  try {
    const told = JSON.parse(await settled(() => telling.finish()))
    if (typeof told.why === 'string') why = `not everybody was told (${told.later} waiting, ${told.dropped} given up): ${told.why}`
  } catch (error) {
    why = `nobody was told: ${error.message}`
  }
  if (why !== undefined) process.emitWarning(why, 'OrchWarning')
}

module.exports = { Notices, noticesOf, tell }
