import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { inspect } from 'node:util'

import { Graph, InvalidType, InvalidValue, NotFound, Notices, Store, run } from '../js/index.mjs'

const SECRET = 'qWeRtY-secret-ZxCvB'
let folder
let made = 0

before(() => (folder = mkdtempSync(join(tmpdir(), 'orch-notices-'))))
after(() => rmSync(folder, { recursive: true, force: true }))

const place = () => join(folder, `${++made}.db`)

/** A server that answers so, one after the other, and then 204; what it was sent. */
async function server(t, ...answers) {
  const heard = []
  const http = createServer((request, response) => {
    let body = ''
    request.on('data', (part) => (body += part))
    request.on('end', () => {
      heard.push(JSON.parse(body))
      const [status, headers, text] = answers.shift() ?? [204, {}, '']
      response.writeHead(status, headers).end(text)
    })
  })
  await new Promise((resolve) => http.listen(0, '127.0.0.1', resolve))
  t.after(() => http.close())
  return { heard, address: `http://127.0.0.1:${http.address().port}/${SECRET}` }
}

/** Nowhere the address, nor its secret. */
function isSilent(value) {
  for (const text of [inspect(value, { depth: 9, showHidden: true }), String(value?.stack ?? value), JSON.stringify(value) ?? '']) {
    assert.ok(!text.includes(SECRET), text)
  }
}

test('a notice is told once for each key, and says what it says', async (t) => {
  const { heard, address } = await server(t)
  const store = new Store(place())
  const notices = new Notices({ store, webhook: address, local: true })
  assert.deepEqual(notices.targets, ['webhook'])
  const notice = { title: 'Version 1.2 is out', description: 'At last', color: 0x00ff00, fields: { Downloads: 12 } }
  assert.equal(await notices.post('release/1.2', notice), 1)
  assert.equal(await notices.post('release/1.2', 'another'), 0)
  const [waits] = await notices.list()
  assert.deepEqual([waits.key, waits.target, waits.state, waits.tries, waits.posted instanceof Date], ['release/1.2', 'webhook', 'waiting', 0, true])
  assert.equal(heard.length, 0, 'nothing is sent until it is delivered')
  assert.deepEqual(await notices.deliver(), { sent: 1, later: 0, dropped: 0, why: undefined })
  assert.deepEqual(await notices.deliver(), { sent: 0, later: 0, dropped: 0, why: undefined })
  const { title, description, color, fields } = heard[0]
  assert.deepEqual([heard.length, title, description, color], [1, notice.title, notice.description, '#00FF00'])
  assert.deepEqual(fields, [{ name: 'Downloads', value: '12' }])
  assert.equal((await notices.send('Hello')).sent, 1)
  // Another process of the store knows what was told.
  const other = new Notices({ store: new Store(store.path), webhook: address, local: true })
  assert.equal(await other.post('release/1.2', 'again'), 0)
  const milestone = { budget: 'month', period: '2026-02', usd: 5, spentUsd: '5.01', ofUsd: 15, executions: 160 }
  assert.deepEqual([await notices.milestone(milestone), await other.milestone(milestone)], [1, 0])
  assert.equal((await other.deliver()).sent, 1)
  assert.match(heard[2].title, /\$5 Milestone Reached/)
  isSilent(notices)
  assert.ok(!readFileSync(store.path).includes(SECRET))
})

test('a busy server is waited for, a refusal is given up, and neither tells the address', async (t) => {
  const { heard, address } = await server(t, [429, { 'retry-after': '0' }, ''], [204, {}, ''], [404, {}, `no ${SECRET}`])
  const notices = new Notices({ webhook: address, local: true })
  assert.equal((await notices.send('one', { patienceMs: 5_000 })).sent, 1)
  assert.equal(heard.length, 2)
  const refused = await notices.send('two')
  assert.deepEqual([refused.sent, refused.dropped], [0, 1])
  assert.match(refused.why, /webhook/)
  isSilent(refused)
  const letters = await notices.list({ limit: 1 })
  assert.deepEqual([letters.length, letters[0].state], [1, 'dropped'])
  isSilent(letters)
})

test('an address that is none is refused without being told, and somebody has to be there', () => {
  for (const options of [
    { discord: `https://example.com/${SECRET}` },
    { webhook: `ftp://example.com/${SECRET}` },
    { webhook: `http://127.0.0.1/${SECRET}` },
    { slack: SECRET },
  ]) {
    assert.throws(() => new Notices(options), (error) => {
      isSilent(error)
      return error instanceof InvalidValue
    })
  }
  assert.throws(() => new Notices({ webhook: 7 }), InvalidType)
  assert.throws(() => new Notices({ webhoook: 'x' }), InvalidType)
  assert.throws(() => new Notices({ store: 'runs.db' }), InvalidType)
  const before = ['DISCORD_WEBHOOK_URL', 'SLACK_WEBHOOK_URL', 'ORCH_WEBHOOK_URL'].map((name) => [name, process.env[name]])
  for (const [name] of before) delete process.env[name]
  try {
    assert.throws(() => new Notices(), NotFound)
  } finally {
    for (const [name, value] of before) if (value !== undefined) process.env[name] = value
  }
})

test('wrong notices are told as such', async () => {
  const notices = new Notices({ discord: `https://discord.com/api/webhooks/1/${SECRET}` })
  assert.deepEqual(notices.targets, ['discord'])
  isSilent(notices)
  await assert.rejects(notices.post('key', { text: 'x' }), InvalidType)
  await assert.rejects(notices.post('key', { title: 1 }), InvalidType)
  await assert.rejects(notices.post(1, 'x'), InvalidType)
  await assert.rejects(notices.milestone({ budget: 'b', period: '', usd: 'much', spentUsd: 1, ofUsd: 1 }), InvalidValue)
  await assert.rejects(notices.list({ limit: -1 }), InvalidValue)
  assert.deepEqual(await notices.list(), [])
})

const nightly = (fails) =>
  new Graph('nightly').task('build', async () => {
    if (fails) throw new Error('no room, says s3cr3t-pass')
    return 'v1.tar'
  })

test('a run tells how it went', async (t) => {
  const { heard, address } = await server(t)
  const notify = new Notices({ webhook: address, local: true })
  const report = await run(nightly(), { notify })
  const [STARTED, COMPLETE] = ['🚀 AI Orchestration - Execution Started', '✅ AI Orchestration - Execution Complete']
  assert.deepEqual([heard.map(({ title }) => title), report.get('build')], [[STARTED, COMPLETE], 'v1.tar'])
  const facts = Object.fromEntries(heard[1].fields.map(({ name, value }) => [name, value]))
  assert.deepEqual([facts.Graph, facts.Run, facts.Succeeded, facts.Failed], ['nightly', report.run, '1', '0'])

  heard.length = 0
  process.env.DEPLOY_PASSWORD = 's3cr3t-pass'
  t.after(() => delete process.env.DEPLOY_PASSWORD)
  await run(nightly(true), { notify, check: false })
  assert.equal(heard[0].title, STARTED)
  assert.match(JSON.stringify(heard[1]), /no room/)
  assert.doesNotMatch(JSON.stringify(heard), /s3cr3t-pass/)
})

test('a run waits for nobody, and its store keeps what waits', async (t) => {
  const busy = [503, { 'retry-after': '3600' }, '']
  const { address } = await server(t, busy, busy)
  Object.assign(process.env, { ORCH_WEBHOOK_URL: address, ORCH_WEBHOOK_LOCAL: '1' })
  t.after(() => ['ORCH_WEBHOOK_URL', 'ORCH_WEBHOOK_LOCAL'].forEach((name) => delete process.env[name]))
  const store = new Store(place())
  const warnings = []
  const warn = (warning) => warnings.push(warning)
  process.on('warning', warn)
  t.after(() => process.off('warning', warn))
  const report = await run(nightly(), { store, notify: true })
  await new Promise(setImmediate)
  const [warning] = warnings
  assert.deepEqual([report.state, warning.name], ['succeeded', 'OrchWarning'])
  assert.match(warning.message, /^not everybody was told/)
  isSilent(warning)
  assert.deepEqual((await new Notices({ store }).list()).map(({ state }) => state), ['waiting', 'waiting'])
})

test('to notify somebody, there has to be somebody, and a store', async () => {
  await assert.rejects(run(nightly(), { notify: true }), /give `notify` a `store`/)
  await assert.rejects(run(nightly(), { store: new Store(place()), notify: true }), NotFound)
  await assert.rejects(run(nightly(), { notify: 'me' }), InvalidType)
})
