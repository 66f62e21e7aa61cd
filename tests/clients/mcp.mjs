// The OAuth client of @modelcontextprotocol/sdk, unmodified, against Ostiary with [mcp] enabled: first with a document at its
// client_id, then registering itself. This program is also the MCP server that it wants to reach, and the host of the document.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import { auth, extractWWWAuthenticateParams } from '@modelcontextprotocol/sdk/client/auth.js'
import { createRemoteJWKSet, jwtVerify } from 'jose'
import { visit } from './person.mjs'

const { ISSUER, RESOURCE, DOCUMENT, CERTIFICATE, KEY, SIGN_IN_NAME, PASSWORD, REDIRECT_URI } = process.env
const person = { redirectUri: REDIRECT_URI, signInName: SIGN_IN_NAME, password: PASSWORD }
const metadata = {
  client_name: 'Agent',
  redirect_uris: [REDIRECT_URI],
  grant_types: ['authorization_code', 'refresh_token'],
  response_types: ['code'],
  token_endpoint_auth_method: 'none',
  application_type: 'native',
}

/** The MCP server's half: who may call it, and where others learn how to (RFC 9728). */
const keys = createRemoteJWKSet(new URL(`${ISSUER}/jwks`))
const resource = new URL(RESOURCE)
const documentOfResource = `${resource.origin}/.well-known/oauth-protected-resource${resource.pathname}`
const mcp = createServer(async (request, response) => {
  const answer = (status, headers, body) => response.writeHead(status, headers).end(JSON.stringify(body))
  if (request.url === new URL(documentOfResource).pathname) {
    return answer(200, { 'content-type': 'application/json' }, {
      resource: RESOURCE,
      authorization_servers: [ISSUER],
      scopes_supported: ['mcp:tools'],
    })
  }
  if (request.url !== resource.pathname) return answer(404, {}, {})
  const token = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1]
  try {
    const { payload } = await jwtVerify(token, keys, { issuer: ISSUER, audience: RESOURCE, typ: 'at+jwt' })
    assert.ok(payload.scope.split(' ').includes('mcp:tools'))
    return answer(200, {}, { caller: payload.client_id })
  } catch {
    const challenge = `Bearer resource_metadata="${documentOfResource}", scope="mcp:tools offline_access"`
    return answer(401, { 'www-authenticate': challenge }, {})
  }
})
await listening(mcp, resource)

const documents = createSecureServer({ cert: readFileSync(CERTIFICATE), key: readFileSync(KEY) }, (request, response) => {
  response.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'max-age=600' })
  response.end(JSON.stringify({ ...metadata, client_id: DOCUMENT }))
})
await listening(documents, new URL(DOCUMENT))

function listening(server, { hostname, port }) {
  return new Promise((resolve) => server.listen(Number(port), hostname, resolve))
}

/** What an application keeps between its calls. */
class Agent {
  constructor(clientMetadataUrl) {
    this.clientMetadataUrl = clientMetadataUrl
  }
  get redirectUrl() {
    return REDIRECT_URI
  }
  get clientMetadata() {
    return metadata
  }
  state() {
    return 'a-state'
  }
  clientInformation() {
    return this.client
  }
  saveClientInformation(client) {
    this.client = client
  }
  tokens() {
    return this.saved
  }
  saveTokens(tokens) {
    this.saved = tokens
  }
  redirectToAuthorization(url) {
    this.url = url
  }
  saveCodeVerifier(verifier) {
    this.verifier = verifier
  }
  codeVerifier() {
    return this.verifier
  }
}

async function connects(agent) {
  const refused = await fetch(RESOURCE, { method: 'POST' })
  assert.equal(refused.status, 401)
  const { resourceMetadataUrl, scope } = extractWWWAuthenticateParams(refused)
  const about = { serverUrl: RESOURCE, resourceMetadataUrl, scope }
  assert.equal(await auth(agent, about), 'REDIRECT')
  assert.equal(agent.url.searchParams.get('resource'), RESOURCE)
  const callback = await visit(agent.url, person)
  assert.equal(callback.searchParams.get('iss'), ISSUER)
  const authorizationCode = callback.searchParams.get('code')
  assert.ok(authorizationCode, String(callback))
  assert.equal(await auth(agent, { ...about, authorizationCode, iss: callback.searchParams.get('iss') }), 'AUTHORIZED')
  const call = () => fetch(RESOURCE, { method: 'POST', headers: { authorization: `Bearer ${agent.saved.access_token}` } })
  const first = agent.saved
  const answer = await call()
  assert.equal(answer.status, 200)
  assert.equal(await auth(agent, about), 'AUTHORIZED', 'with the refresh token')
  assert.notEqual(agent.saved.access_token, first.access_token)
  assert.notEqual(agent.saved.refresh_token, first.refresh_token, 'a public client has another one each time')
  assert.equal((await call()).status, 200)
  return (await answer.json()).caller
}

assert.equal(await connects(new Agent(DOCUMENT)), DOCUMENT)
console.log('ok: an agent with a document at its client_id')
const registering = new Agent(undefined)
assert.equal(await connects(registering), registering.client.client_id)
assert.notEqual(registering.client.client_id, DOCUMENT)
console.log('ok: an agent that registers itself')
mcp.close()
documents.close()
process.exit(0)
