import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { inspect } from 'node:util'
import { Worker } from 'node:worker_threads'

import { Conflict, Graph, InvalidFormat, InvalidType, InvalidValue, Ledger, NotFound, Prices, RunFailed, Store, run, start, usage } from '../js/index.mjs'

const bin = fileURLToPath(new URL('../bin/orch.js', import.meta.url))
const house = { rates: { 'house-model': { input: 3, output: 15 } } }
let folder
let made = 0

before(() => (folder = mkdtempSync(join(tmpdir(), 'orch-money-'))))
after(() => rmSync(folder, { recursive: true, force: true }))

const place = () => join(folder, `${++made}.db`)

function orch(...args) {
  const { stdout, stderr, status } = spawnSync(process.execPath, [bin, ...args], { encoding: 'utf8', cwd: folder })
  assert.equal(status, 0, stderr)
  return stdout
}

test('prices: own ones, published ones of a time, names that stand for others; none is an error', () => {
  const prices = new Prices({ ...house, aliases: { sonnet: 'claude-3-5-sonnet-20241022' } })
  const quote = prices.price('house-model', { input: 4_000, output: 800 })
  assert.deepEqual([quote.usd, quote.nanos, quote.price.list, quote.price.fallback], [0.024, 24_000_000n, 'own rates', false])
  const published = prices.price('sonnet', { input: 2_000, output: 1_500 }, { at: '2026-02-01' })
  assert.deepEqual([published.usd, published.inputUsd, published.outputUsd], [0.0285, 0.006, 0.0225])
  assert.ok(published.price.at instanceof Date)
  const batch = prices.price('sonnet', { input: 2_000, output: 1_500 }, { at: new Date('2026-02-01'), batch: true })
  assert.deepEqual(batch.usage.terms, { processing: 'batch' })
  const both = prices.total([
    { model: 'house-model', input: 1_000_000 },
    { model: 'sonnet', billedUsd: 0.1, input: 5 },
  ])
  assert.deepEqual([both.usd, both.quotes.map(({ price }) => price.list)], [3.1, ['own rates', 'billed']])
  assert.throws(() => prices.price('no-such-model', { input: 1 }), (error) => error instanceof NotFound && /no price for `no-such-model`/.test(error.message))
  assert.throws(() => prices.price('sonnet', { inputs: 1 }), { name: 'InvalidType', message: /there is no `inputs`/ })
  assert.throws(() => prices.price('sonnet', { input: -1 }), InvalidValue)
  assert.throws(() => prices.price('sonnet', [{}, {}]), InvalidValue)
  assert.throws(() => new Prices({ rates: { x: { input: 'much', output: 1 } } }), InvalidValue)
  assert.throws(() => new Prices({ price: 1 }), InvalidType)
  const file = join(folder, 'prices.json')
  writeFileSync(file, '{')
  assert.throws(() => new Prices({ file }), InvalidFormat)
})

test('usage is found in what agents and APIs say', () => {
  const said = { model: 'claude-sonnet-4-5', usage: { input_tokens: 100, output_tokens: 20, cache_read_input_tokens: 50 } }
  for (const it of [said, JSON.stringify(said), Buffer.from(JSON.stringify(said)), [said]]) {
    const { dialect, models, messages } = usage(it)
    assert.deepEqual([dialect, messages, models.length], ['anthropic', 1, 1])
    assert.deepEqual([models[0].model, models[0].input, models[0].output, models[0].cacheRead], ['claude-sonnet-4-5', 150, 20, 50])
  }
  assert.equal(usage(said, { provider: 'aws', model: 'mine' }).models[0].model, 'aws/mine')
  assert.throws(() => usage('nothing'), InvalidFormat)
  assert.throws(() => usage({ usage: { input_tokens: 1, output_tokens: 1 } }), InvalidValue)
  assert.throws(() => usage(said, { dialect: 'klingon' }), { message: /there is no dialect `klingon`; known here: / })
  assert.throws(() => usage(said, { batch: 1 }), InvalidType)
  assert.throws(() => usage(7), InvalidType)
})

test('a run books what its tasks use in its store: by agent, by day, each, as JSON and CSV, as the command does', async () => {
  const path = place()
  const store = new Store(path)
  const prices = new Prices(house)
  const graph = new Graph('review')
    .task('draft', ({ used }) => used({ model: 'house-model', input: 4_000, output: 800 }), { agent: 'writer' })
    .task('check', ({ attempt, charge, used }) => {
      const found = charge({ model: 'house-model', usage: { input_tokens: 1_000, output_tokens: 0 } })
      used(found)
      if (attempt === 1) throw new Error('again')
      return null
    }, { agent: 'reviewer', retries: { attempts: 2, delayMs: 0 } })
  const report = await run(graph, { store, prices, labels: { branch: 'main' } })
  assert.equal(report.costUsd, 0.036)
  const ledger = store.ledger()
  assert.deepEqual(await ledger.costs({ by: 'agent' }), [
    { of: { agent: 'writer' }, usd: 0.024, charges: 1, failed: 0, input: 4_000, output: 800 },
    { of: { agent: 'reviewer' }, usd: 0.012, charges: 2, failed: 1, input: 4_000, output: 0 },
  ])
  const charges = await ledger.charges({ only: { task: 'check', branch: 'main' } })
  assert.deepEqual(charges.map(({ attempt, failed, usd, who }) => [attempt, failed, usd, who.agent, who.run]), [
    [1, true, 0.006, 'reviewer', report.run],
    [2, false, 0.006, 'reviewer', report.run],
  ])
  assert.ok(charges[0].at instanceof Date && charges[0].price.list === 'own rates' && charges[0].usage.input === 2_000)
  assert.deepEqual(await ledger.costs({ since: new Date(Date.now() + 3_600_000) }), [])
  assert.equal((await ledger.costs({ by: ['month', 'model'], until: '2099-01-01', zone: 'Europe/Berlin' })).length, 1)
  const [csv, json] = [await ledger.costsCsv({ by: ['agent'] }), await ledger.costsJson({ by: ['agent'] })]
  assert.equal(csv, 'agent,usd,charges,failed,input,output\r\nwriter,0.024,1,0,4000,800\r\nreviewer,0.012,2,1,4000,0\r\n')
  assert.deepEqual(JSON.parse(json), JSON.parse(orch('cost', '--store', path, '--by', 'agent', '--json')))
  assert.equal((await ledger.chargesCsv()).trimEnd(), orch('cost', '--store', path, '--charges').trimEnd())
  assert.deepEqual(JSON.parse(await ledger.chargesJson()), JSON.parse(orch('cost', '--store', path, '--charges', '--json')))
  await assert.rejects(ledger.costs({ by: 'agents' }), (error) => error instanceof InvalidValue && /no column `agents`/.test(error.message))
  await assert.rejects(ledger.costs({ only: { agents: 'x' } }), InvalidType)
})

test('what a run may spend is reserved before its tasks begin, the most critical first', async () => {
  const begun = []
  const spends = ({ id, used }) => {
    begun.push(id)
    used({ model: 'house-model', input: 100_000 })
  }
  // Each may cost 30 cents; there is a dollar.
  const expects = { model: 'house-model', input: 100_000 }
  const graph = new Graph('four')
  for (const [id, priority] of [['a', 1], ['b', 2], ['c', 3], ['d', 4]]) graph.task(id, spends, { expects, priority })
  const plan = graph.plan().cost(new Prices(house))
  assert.deepEqual(plan, { usd: 1.2, p90Usd: 1.2, unknown: [], learned: 0, expected: 4 })
  const error = await run(graph, { budget: 1, prices: new Prices(house), onFailure: 'continue' }).catch((error) => error)
  assert.ok(error instanceof RunFailed)
  assert.deepEqual(begun.sort(), ['b', 'c', 'd'])
  assert.match(error.report.task('a').failure?.message ?? String(error.cause), /budget/)
  assert.equal(error.report.costUsd, 0.9)
})

test('a ledger is shared: by runs, and by whoever reserves and settles', async () => {
  const store = new Store(place())
  const ledger = new Ledger({ store, budget: [{ usd: 2, per: 'month', milestones: [0.5, 1] }, { usd: '0.75', agent: 'reviewer', name: 'few' }], prices: new Prices(house) })
  assert.deepEqual(ledger.limits, ['month', 'few'])
  const first = await ledger.reserve(0.7, { agent: 'reviewer' })
  assert.deepEqual([first.granted, first.usd], [true, 0.7])
  const second = await ledger.reserve(0.1, { agent: 'reviewer' })
  assert.deepEqual([second.granted, second.again, second.id], [false, 'settled', undefined])
  assert.match(second.why, /few/)
  await assert.rejects(second.settle(1), InvalidValue)
  assert.equal((await ledger.inFlight())[0].parts[0].who.agent, 'reviewer')
  const booked = await first.settle({ usage: { model: 'house-model', input: 200_000 } })
  assert.deepEqual(booked.milestones.map(({ budget, usd }) => [budget, usd]), [['month', 0.5]])
  await assert.rejects(first.settle(0), Conflict)
  const third = await ledger.charge('0.500000001', { agent: 'writer' })
  assert.deepEqual([third.milestones.map(({ usd }) => usd), third.over], [[1], {}])
  const [month, few] = await ledger.budgets()
  assert.deepEqual([month.spentUsd, month.leftUsd, month.reservedUsd, month.reached, few.spentUsd], [1.100000001, 0.899999999, 0, [0.5, 1], 0.6])
  assert.ok(month.start instanceof Date && month.end > month.start && month.projectedUsd >= month.spentUsd)
  // The run has what is left.
  const graph = new Graph('one').task('a', ({ used }) => used({ model: 'house-model', input: 1 }), { expects: { model: 'house-model', input: 400_000 } })
  const error = await run(graph, { store, budget: ledger }).catch((error) => error)
  assert.ok(error instanceof RunFailed, String(error))
  // What a process had reserved that died.
  const lost = await ledger.reserve(0.1)
  const other = new Ledger({ store: new Store(store.path), budget: { usd: 2, per: 'month' } })
  assert.deepEqual((await other.inFlight()).map(({ id }) => id), [lost.id])
  await other.assume(lost.id)
  assert.deepEqual((await other.charges()).at(-1).assumed, true)
})

test('a limit that asks waits for somebody to answer, and one that steps down names another model', async () => {
  const prices = new Prices({ rates: { dear: { input: 30, output: 30 }, cheap: { input: 3, output: 3 } } })
  const expects = { model: 'dear', input: 100_000 }
  const graph = new Graph('one').task('a', ({ model, budgetUsd, used }) => (used({ model, input: 100_000 }), [model, budgetUsd ?? null]), { expects })
  const cheaper = await run(graph, { prices, budget: { usd: 1, atLimit: { downgrade: 'cheap' } } })
  assert.deepEqual([cheaper.get('a'), cheaper.costUsd], [['cheap', 1], 0.3])
  const free = await run(graph, { prices })
  assert.deepEqual(free.get('a'), ['dear', null])

  const store = new Store(place())
  const ledger = store.ledger()
  for (const [said, state] of [['yes', 'succeeded'], ['no', 'failed']]) {
    const running = start(graph, { store, prices, budget: { name: 'ask me', usd: 1, each: 'run', atLimit: 'ask' }, check: false })
    const ended = running.report()
    let gates = []
    while (gates.length === 0) gates = await ledger.gates()
    const [gate] = gates
    assert.deepEqual([gate.budget, gate.usd, gate.who.task, gate.who.run, gate.said], ['ask me', 3, 'a', running.id, undefined])
    await assert.rejects(ledger.answer(gate.id, 'maybe'), InvalidValue)
    await ledger.answer(gate.id, said, { by: 'ada' })
    assert.equal((await ended).state, state)
    await assert.rejects(ledger.answer(gate.id, said), NotFound)
  }
})

test('wrong budgets, amounts and prices are told as such', async () => {
  const graph = new Graph('one').task('a', () => 1)
  for (const [options, type, message] of [
    [{ budget: { usd: 1, agents: 'x' } }, InvalidType, /budget: there is no `agents`; known here: usd, name/],
    [{ budget: { per: 'month' } }, InvalidValue, /needs `usd`/],
    [{ budget: [{ usd: 1, per: 'fortnight' }] }, InvalidValue, /fortnight/],
    [{ budget: true }, InvalidType, /`budget` must be dollars, a limit, limits, or a Ledger; got a boolean/],
    [{ budget: NaN }, InvalidValue, /give dollars/],
    [{ budget: new Ledger(), prices: new Prices() }, InvalidValue, /has its own/],
    [{ prices: {} }, InvalidType, /`prices` must be Prices/],
    [{ labels: { branch: 'x' } }, InvalidValue, /`labels` are for runs/],
    [{ budget: 1, labels: { branches: 'x' } }, InvalidType, /no column `branches`/],
  ]) {
    await assert.rejects(run(graph, options), (error) => error instanceof type && message.test(error.message), JSON.stringify(options))
  }
  assert.throws(() => new Ledger({ store: 'runs.db' }), InvalidType)
  await assert.rejects(new Ledger().charge({}), InvalidValue)
  await assert.rejects(new Ledger().charge({ usage: { model: 'no-such-model', input: 1 } }), NotFound)
  await assert.rejects(new Ledger().reserve(1, { who: 'me' }), InvalidType)
  assert.throws(() => new Graph('x').task('a', () => 1, { expects: { input: 1 } }).plan(), InvalidType)
  const late = await run(new Graph('x').task('a', ({ used }) => used({ model: 3 })), { check: false })
  assert.equal(late.state, 'failed')
  assert.match(inspect(new Ledger()), /^Ledger/)
})

const RACE = `
const { workerData, parentPort } = require('node:worker_threads')
const { Ledger, Store } = require(workerData.main)
const ledger = new Ledger({ store: new Store(workerData.path), budget: { usd: 5 } })
async function spend() {
  let spent = 0
  for (;;) {
    const money = await ledger.reserve(0.1)
    if (!money.granted) return spent
    await money.settle(0.1)
    spent++
  }
}
Promise.all([spend(), spend(), spend(), spend()]).then((all) => parentPort.postMessage(all.reduce((sum, it) => sum + it, 0)))
`

test('threads that spend one budget at once do not overspend it', async () => {
  const path = place()
  const main = fileURLToPath(new URL('../js/index.js', import.meta.url))
  const worker = () =>
    new Promise((resolve, reject) => {
      const thread = new Worker(RACE, { eval: true, workerData: { path, main } })
      thread.on('message', resolve)
      thread.on('error', reject)
    })
  const counts = await Promise.all([worker(), worker(), worker(), worker()])
  const ledger = new Ledger({ store: new Store(path), budget: { usd: 5 } })
  const [state] = await ledger.budgets()
  const spent = counts.reduce((sum, it) => sum + it, 0)
  // Who is told to wait for others to settle stopped; so something may be left, and never less than nothing.
  assert.ok(spent > 0 && spent <= 50, `${spent}`)
  assert.deepEqual([state.charges, state.reservedUsd], [spent, 0])
  assert.ok(state.leftUsd >= 0)
})
