'use strict'

const { promises: fs } = require('node:fs')
const path = require('node:path')

const native = require('../native.js')
const { raised, OrchError } = require('../errors.js')
const { Cache } = require('../cache.js')
const { understand } = require('./dag.js')
const { amount, settings } = require('./emitter.js')

const MARKDOWN = new Set(['.md', '.markdown'])
/** Of core codes, those that the loader's callers know by another name. */
const CODES = new Map([['UNORDERED_INPUT', 'MISSING_CONTEXT_INPUT']])

/** A command could not be loaded. `code` says why, `details` has what is known of it. */
class CommandLoadError extends Error {
  constructor(message, code, details, options) {
    super(message, options)
    this.code = code
    this.details = details
  }

  get name() {
    return 'CommandLoadError'
  }
}

/** A problem as the loader tells it. */
function issue(problem) {
  const made = { code: CODES.get(problem.code) ?? problem.code, message: problem.message }
  if (problem.path !== '') made.field = problem.path
  const details = {}
  if (problem.line !== null && problem.line !== undefined) details.line = problem.line
  if (problem.code === 'CIRCULAR_DEPENDENCY') {
    details.cycle = problem.message.slice(problem.message.lastIndexOf(': ') + 2).split(' → ')
  }
  if (problem.code === 'MISSING_REFERENCE') details.missingDep = /`([^`]*)`/.exec(problem.message)?.[1]
  if (Object.keys(details).length > 0) made.details = details
  return made
}

/**
 * Reads command definitions: JSON of version 2 and its dialects, Markdown of version 1, values.
 *
 * What was read is kept while its file stays the same, for an hour, at most 50 of them.
 */
class CommandLoader {
  #cache
  #kept = new Map()
  #hits = 0
  #looks = 0

  constructor(config) {
    const given = settings(config)
    this.config = {
      cacheEnabled: given.cacheEnabled ?? true,
      validateSchema: given.validateSchema ?? true,
      convertV1ToV2: given.convertV1ToV2 ?? true,
      maxCacheSize: amount(given.maxCacheSize, 'maxCacheSize', 50),
      cacheTTL: amount(given.cacheTTL, 'cacheTTL', 3600000),
    }
    // Unbounded in bytes: `maxCacheSize` counts entries.
    this.#cache = new Cache({ ttl: this.config.cacheTTL, maxBytes: Number.MAX_SAFE_INTEGER, manual: given.manual === true })
  }

  /** Loads a file, by its ending, or a definition. */
  async load(source) {
    if (typeof source !== 'string') return this.loadProgrammatic(source)
    return MARKDOWN.has(path.extname(source).toLowerCase()) ? this.loadMarkdown(source) : this.loadJSON(source)
  }

  async loadJSON(file) {
    return this.#file(file, 'json')
  }

  async loadMarkdown(file) {
    if (!this.config.convertV1ToV2) {
      throw new CommandLoadError(`\`${file}\` is Markdown, and conversion is switched off`, 'CONVERSION_DISABLED', { path: file })
    }
    return this.#file(file, 'markdown')
  }

  /** Takes a definition, or what another loader loaded. */
  loadProgrammatic(def) {
    if (typeof def !== 'object' || def === null || Array.isArray(def)) {
      throw new CommandLoadError('a definition must be an object', 'INVALID_FORMAT', { got: typeof def })
    }
    const definition = def.definition !== undefined && typeof def.definition === 'object' ? def.definition : def
    const text = JSON.stringify(definition)
    return this.#loaded(definition, text, { source: 'programmatic', format: 'json', fileSize: Buffer.byteLength(text), mtime: 0 })
  }

  async #file(file, format) {
    const absolute = path.resolve(file)
    let stat
    try {
      stat = await fs.stat(absolute)
    } catch (error) {
      throw new CommandLoadError(`there is no file \`${file}\``, 'FILE_NOT_FOUND', { path: absolute }, { cause: error })
    }
    const known = this.#look(absolute, stat.mtimeMs)
    if (known !== undefined) return known
    let bytes
    try {
      bytes = await fs.readFile(absolute)
    } catch (error) {
      const code = error.code === 'ENOENT' ? 'FILE_NOT_FOUND' : 'INVALID_FORMAT'
      throw new CommandLoadError(`\`${file}\` could not be read: ${error.message}`, code, { path: absolute }, { cause: error })
    }
    // The ending says what a file is; a name without one is what the caller says.
    const named = format === 'markdown' && !MARKDOWN.has(path.extname(absolute).toLowerCase()) ? `${absolute}.md` : absolute
    let read
    try {
      read = JSON.parse(raised(() => native.commandRead(bytes, named)))
    } catch (error) {
      if (!(error instanceof OrchError)) throw error
      const code = format === 'json' && error.code === 'INVALID_FORMAT' ? 'INVALID_JSON' : 'INVALID_FORMAT'
      throw new CommandLoadError(error.message, code, { path: absolute, problems: error.problems }, { cause: error })
    }
    if (read.definition === undefined) {
      throw new CommandLoadError(`\`${file}\` is a graph of another system, not a command`, 'INVALID_FORMAT', { path: absolute })
    }
    if (typeof read.definition !== 'object' || read.definition === null || Array.isArray(read.definition)) {
      throw new CommandLoadError(`\`${file}\` is no object`, 'INVALID_FORMAT', { path: absolute })
    }
    const about = { source: absolute, format, fileSize: stat.size, mtime: stat.mtimeMs }
    const loaded = this.#loaded(read.definition, bytes, about)
    this.#keep(absolute, loaded)
    return loaded
  }

  #loaded(definition, bytes, about) {
    const validationResult = this.config.validateSchema ? this.validate(definition) : undefined
    if (validationResult !== undefined && !validationResult.valid) {
      const { errors, warnings } = validationResult
      const lines = errors.map(({ code, field, message }) => `  ${code}${field === undefined ? '' : ` ${field}`}: ${message}`)
      const message = `the command \`${String(definition.name ?? about.source)}\` is not valid\n${lines.join('\n')}`
      throw new CommandLoadError(message, 'VALIDATION_FAILED', { errors, warnings })
    }
    const { createHash } = require('node:crypto')
    const hash = createHash('sha256').update(bytes).digest('hex')
    const { source, format, fileSize, mtime } = about
    const version = String(definition.version ?? '2.0.0')
    const metadata = { source, format, version, loadedAt: Date.now(), hash, fileSize, mtime }
    return { definition, metadata, ...(validationResult === undefined ? {} : { validationResult }) }
  }

  /** Everything that is wrong with a definition. */
  validate(def) {
    if (typeof def !== 'object' || def === null || Array.isArray(def)) {
      return { valid: false, errors: [{ code: 'INVALID_FORMAT', message: 'a definition must be an object' }], warnings: [] }
    }
    const { problems } = understand(def)
    const errors = problems.filter((problem) => problem.severity === 'error').map(issue)
    const warnings = problems.filter((problem) => problem.severity !== 'error').map((problem) => {
      const { details, ...warning } = issue(problem)
      const near = /did you mean `([^`]*)`/.exec(problem.message)?.[1]
      return near === undefined ? warning : { ...warning, suggestion: near }
    })
    return { valid: errors.length === 0, errors, warnings }
  }

  #look(file, mtime) {
    if (!this.config.cacheEnabled) return undefined
    this.#looks++
    const known = this.#cache.get(file)
    if (known === undefined || known.mtime !== mtime) return undefined
    this.#hits++
    const loaded = this.#kept.get(file)
    this.#kept.delete(file)
    this.#kept.set(file, loaded)
    return loaded
  }

  #keep(file, loaded) {
    if (!this.config.cacheEnabled || this.config.maxCacheSize === 0) return
    this.#kept.delete(file)
    if (this.#cache.set(file, { mtime: loaded.metadata.mtime })) this.#kept.set(file, loaded)
    while (this.#kept.size > this.config.maxCacheSize) this.clearCache(this.#kept.keys().next().value)
  }

  /** Forgets a file, or all. */
  clearCache(file) {
    if (file === undefined) {
      this.#cache.clear()
      this.#kept.clear()
      return
    }
    const absolute = path.resolve(file)
    this.#cache.delete(absolute)
    this.#kept.delete(absolute)
  }

  /** How much is kept: `size` in bytes of the files, `entries`, and `hitRate` in percent. */
  getCacheStats() {
    for (const file of this.#kept.keys()) if (!this.#cache.has(file)) this.#kept.delete(file)
    const size = [...this.#kept.values()].reduce((sum, loaded) => sum + loaded.metadata.fileSize, 0)
    return { size, entries: this.#kept.size, hitRate: this.#looks === 0 ? 0 : (this.#hits / this.#looks) * 100 }
  }

  /** Moves the time of a loader that was made for a test. */
  _advance(ms) {
    this.#cache._advance(ms)
  }
}

module.exports = { CommandLoader, CommandLoadError }
