// The npm package openid-client, unmodified, with a reverse proxy between. See tests/it/packaging/proxies.rs.

import assert from 'node:assert/strict'
import * as client from 'openid-client'
import { visit } from './person.mjs'
import { requirement, variable } from './requirement.mjs'

const [issuer, node, redirectUri] = ['ISSUER', 'NODE', 'REDIRECT_URI'].map(variable)
const person = { redirectUri, signInName: variable('SIGN_IN_NAME'), password: variable('PASSWORD') }

await requirement('a person logs in', async () => {
  const secret = client.ClientSecretBasic(variable('APP_SECRET'))
  const config = await client.discovery(new URL(issuer), variable('APP_ID'), variable('APP_SECRET'), secret)
  const pkceCodeVerifier = client.randomPKCECodeVerifier()
  const code_challenge = await client.calculatePKCECodeChallenge(pkceCodeVerifier)
  // Hundreds of characters that come back in the redirect.
  const state = client.randomState().repeat(20)
  const request = { redirect_uri: redirectUri, scope: 'openid email offline_access', state, code_challenge, code_challenge_method: 'S256' }
  const callback = await visit(client.buildAuthorizationUrl(config, request), person)
  const tokens = await client.authorizationCodeGrant(config, callback, { pkceCodeVerifier, expectedState: state, idTokenExpected: true })
  const { sub } = await client.fetchUserInfo(config, tokens.access_token, tokens.claims().sub)
  assert.equal(sub, tokens.claims().sub)
  assert.ok((await client.refreshTokenGrant(config, tokens.refresh_token)).access_token)
})

await requirement('cookies are for this host within TLS alone', async () => {
  const answer = await fetch(`${issuer}/login`, { redirect: 'manual' })
  const cookies = answer.headers.getSetCookie()
  assert.ok(cookies.length > 0, `${answer.status}`)
  for (const cookie of cookies) assert.match(cookie, /^__Host-.*; Secure/)
})

const authenticate = (origin, headers) => fetch(`${origin}/token`, {
  method: 'POST',
  headers,
  body: new URLSearchParams({ grant_type: 'client_credentials', client_id: variable('PAYROLL_ID') }),
})

await requirement('a certificate that a stranger tells of counts for nothing', async () => {
  const told = { 'Client-Cert': variable('PAYROLL_CERTIFICATE') }
  // From the proxy itself it would.
  assert.equal((await authenticate(node, told)).status, 200)
  const refused = await authenticate(issuer, told)
  assert.equal(refused.status, 401)
  assert.equal((await refused.json()).error, 'invalid_client')
})

await requirement('an address that a stranger tells of counts for nothing', async () => {
  const refused = await authenticate(issuer, { 'X-Forwarded-For': '203.0.113.9' })
  assert.equal(refused.status, 401)
  // From the proxy itself it would.
  assert.equal((await authenticate(node, { 'X-Forwarded-For': '198.51.100.7' })).status, 401)
})
