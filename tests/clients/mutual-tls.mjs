// The npm package openid-client, unmodified, with certificates (RFC 8705). See tests/it/clients/mutual_tls.rs.

import assert from 'node:assert/strict'
import https from 'node:https'
import * as client from 'openid-client'
import { visit } from './person.mjs'
import { requirement, variable } from './requirement.mjs'

const issuer = variable('ISSUER')
const redirectUri = variable('REDIRECT_URI')
const person = { redirectUri, signInName: variable('SIGN_IN_NAME'), password: variable('PASSWORD') }
const held = (name) => ({ id: variable(`${name}_ID`), cert: variable(`${name}_CERTIFICATE`), key: variable(`${name}_KEY`) })
const [payroll, own, app, bank] = ['PAYROLL', 'OWN', 'APP', 'BANK'].map(held)

/** Sends requests with this certificate, which is shown where a server asks for one. */
const showing = ({ cert, key }) => (url, { method, headers, body }) => new Promise((resolve, reject) => {
  const options = { method, headers: Object.fromEntries(new Headers(headers)), cert, key, agent: false }
  const request = https.request(url, options, async (response) => {
    const chunks = []
    for await (const chunk of response) chunks.push(chunk)
    const { statusCode: status, rawHeaders } = response
    const fields = new Headers()
    for (let at = 0; at < rawHeaders.length; at += 2) fields.append(rawHeaders[at], rawHeaders[at + 1])
    resolve(new Response(chunks.length ? Buffer.concat(chunks) : null, { status, headers: fields }))
  })
  request.on('error', reject)
  request.end(body?.toString())
})

function discover(certificate, metadata = {}) {
  const options = { [client.customFetch]: showing(certificate), execute: [client.enableNonRepudiationChecks] }
  const of = { use_mtls_endpoint_aliases: true, ...metadata }
  return client.discovery(new URL(issuer), certificate.id, of, client.TlsClientAuth(), options)
}

const thumbprint = async ({ cert }) => {
  const der = Buffer.from(cert.replace(/-----[^-]+-----|\s/g, ''), 'base64')
  return Buffer.from(await crypto.subtle.digest('SHA-256', der)).toString('base64url')
}

await requirement('a service is known by the name in its certificate, and its tokens are bound to that', async () => {
  const config = await discover(payroll)
  const aliases = config.serverMetadata().mtls_endpoint_aliases
  assert.notEqual(new URL(aliases.token_endpoint).origin, new URL(issuer).origin)
  const { access_token: token, token_type: type } = await client.clientCredentialsGrant(config, {})
  assert.equal(type, 'bearer')
  const told = await client.tokenIntrospection(config, token)
  assert.deepEqual([told.client_id, told.cnf], [payroll.id, { 'x5t#S256': await thumbprint(payroll) }])
  await client.tokenRevocation(config, token)
  assert.deepEqual(await client.tokenIntrospection(config, token), { active: false })
})

await requirement('a service is known by the key that it registered', async () => {
  const config = await discover(own)
  assert.ok((await client.clientCredentialsGrant(config, {})).access_token)
})

await requirement('the certificate of another, or none, is refused', async () => {
  await assert.rejects(client.clientCredentialsGrant(await discover({ ...own, id: payroll.id }), {}), { error: 'invalid_client' })
  await assert.rejects(client.clientCredentialsGrant(await discover({ ...payroll, id: own.id }), {}), { error: 'invalid_client' })
  await assert.rejects(client.clientCredentialsGrant(await discover({ id: own.id }), {}), { error: 'invalid_client' })
  const elsewhere = await discover(payroll, { use_mtls_endpoint_aliases: false })
  await assert.rejects(client.clientCredentialsGrant(elsewhere, {}), { error: 'invalid_client' })
})

async function logIn(config, build, scope) {
  const pkceCodeVerifier = client.randomPKCECodeVerifier()
  const [expectedState, expectedNonce] = [client.randomState(), client.randomNonce()]
  const url = await build(config, {
    redirect_uri: redirectUri,
    scope,
    state: expectedState,
    nonce: expectedNonce,
    code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
    code_challenge_method: 'S256',
  })
  const callback = await visit(url, person)
  return client.authorizationCodeGrant(config, callback, { pkceCodeVerifier, expectedState, expectedNonce, idTokenExpected: true })
}

await requirement('an application logs a person in, and its token opens userinfo with the certificate alone', async () => {
  const config = await discover(app)
  const tokens = await logIn(config, client.buildAuthorizationUrl, 'openid offline_access')
  const { sub } = tokens.claims()
  assert.equal((await client.fetchUserInfo(config, tokens.access_token, sub)).sub, sub)
  await assert.rejects(client.fetchUserInfo(await discover(payroll), tokens.access_token, sub))
  await assert.rejects(client.fetchUserInfo(await discover({ id: app.id }), tokens.access_token, sub))
  assert.ok((await client.refreshTokenGrant(config, tokens.refresh_token)).access_token)
})

await requirement('FAPI 2.0 with a certificate: a pushed request, and tokens that are bound to it', async () => {
  const config = await discover(bank, { id_token_signed_response_alg: 'ES256' })
  const tokens = await logIn(config, client.buildAuthorizationUrlWithPAR, 'openid offline_access')
  assert.equal(tokens.token_type, 'bearer')
  const told = await client.tokenIntrospection(config, tokens.access_token)
  assert.deepEqual(told.cnf, { 'x5t#S256': await thumbprint(bank) })
  const { sub } = tokens.claims()
  assert.equal((await client.fetchUserInfo(config, tokens.access_token, sub)).sub, sub)
  const refreshed = await client.refreshTokenGrant(config, tokens.refresh_token)
  assert.equal(refreshed.refresh_token, undefined)
  await assert.rejects(logIn(config, client.buildAuthorizationUrl, 'openid'))
})
