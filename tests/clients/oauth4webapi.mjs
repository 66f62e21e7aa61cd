// The npm package oauth4webapi, unmodified, against Ostiary. Its last check is a resource server's: RFC 9068 by the JWKS.

import assert from 'node:assert/strict'
import * as oauth from 'oauth4webapi'
import { visit } from './person.mjs'
import { requirement, situation } from './situation.mjs'

const options = { [oauth.allowInsecureRequests]: true }
const { redirectUri, confidential, service } = situation
const issuer = new URL(situation.issuer)
const client = { client_id: confidential.id }
const authentication = oauth.ClientSecretBasic(confidential.secret)

const as = await requirement('discovery, as OpenID Connect and as RFC 8414 write it', async () => {
  const read = async (algorithm) => oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, { algorithm, ...options }))
  const metadata = await read('oidc')
  const plain = await read('oauth2')
  assert.equal(plain.token_endpoint, metadata.token_endpoint)
  assert.equal(plain.jwks_uri, metadata.jwks_uri)
  return metadata
})

const tokens = await requirement('a person logs in with a code and PKCE', async () => {
  const verifier = oauth.generateRandomCodeVerifier()
  const [state, nonce] = [oauth.generateRandomState(), oauth.generateRandomNonce()]
  const url = new URL(as.authorization_endpoint)
  url.search = new URLSearchParams({
    client_id: client.client_id,
    redirect_uri: redirectUri,
    response_type: 'code',
    scope: 'openid email offline_access',
    state,
    nonce,
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    max_age: '600',
  })
  const params = oauth.validateAuthResponse(as, client, await visit(url, situation), state)
  const response = await oauth.authorizationCodeGrantRequest(as, client, authentication, params, redirectUri, verifier, options)
  const checks = { expectedNonce: nonce, maxAge: 600, requireIdToken: true }
  const tokens = await oauth.processAuthorizationCodeResponse(as, client, response, checks)
  await oauth.validateApplicationLevelSignature(as, response, options)
  return tokens
})
const { sub, auth_time } = oauth.getValidatedIdTokenClaims(tokens)

await requirement('the ID token says when the person logged in', () => assert.equal(typeof auth_time, 'number'))

await requirement('userinfo names the same person', async () => {
  const response = await oauth.userInfoRequest(as, client, tokens.access_token, options)
  await oauth.processUserInfoResponse(as, client, sub, response)
})

const refreshed = await requirement('a refresh works', async () => {
  const response = await oauth.refreshTokenGrantRequest(as, client, authentication, tokens.refresh_token, options)
  return oauth.processRefreshTokenResponse(as, client, response)
})

await requirement('introspection, revocation, introspection', async () => {
  const introspect = async () =>
    oauth.processIntrospectionResponse(as, client, await oauth.introspectionRequest(as, client, authentication, refreshed.access_token, options))
  assert.equal((await introspect()).sub, sub)
  await oauth.processRevocationResponse(await oauth.revocationRequest(as, client, authentication, refreshed.access_token, options))
  assert.equal((await introspect()).active, false)
})

await requirement('a resource server validates a JWT access token by the JWKS', async () => {
  const serviceClient = { client_id: service.id }
  const response = await oauth.clientCredentialsGrantRequest(as, serviceClient, oauth.ClientSecretBasic(service.secret), {}, options)
  const { access_token } = await oauth.processClientCredentialsResponse(as, serviceClient, response)
  const request = new Request('https://api.example/', { headers: { authorization: `Bearer ${access_token}` } })
  const claims = await oauth.validateJwtAccessToken(as, request, process.env.AUDIENCE, options)
  assert.equal(claims.client_id, service.id)
  await assert.rejects(oauth.validateJwtAccessToken(as, request, 'https://other.example', options))
})
