// The npm package openid-client, unmodified, against Ostiary.

import assert from 'node:assert/strict'
import * as jose from 'jose'
import * as client from 'openid-client'
import { answer, visit } from './person.mjs'
import { requirement, situation } from './situation.mjs'

const insecure = { execute: [client.allowInsecureRequests, client.enableNonRepudiationChecks] }
const { issuer, redirectUri, confidential, publicId, signing, encrypting, service, asserting, keyed, deviceId, exchanging, ledger, asking, hybrid, implicitId, legacyUri, fapiId } = situation

const discover = (id, secret, method) => client.discovery(new URL(issuer), id, secret, method, insecure)

async function logIn(config, scope) {
  return logInWith(config, (parameters) => client.buildAuthorizationUrl(config, parameters), scope)
}

async function logInWith(config, build, scope = 'openid') {
  const pkceCodeVerifier = client.randomPKCECodeVerifier()
  const expectedState = client.randomState()
  const expectedNonce = client.randomNonce()
  const url = await build({
    redirect_uri: redirectUri,
    scope,
    state: expectedState,
    nonce: expectedNonce,
    code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
    code_challenge_method: 'S256',
  })
  const callback = await visit(url, situation)
  return client.authorizationCodeGrant(config, callback, { pkceCodeVerifier, expectedState, expectedNonce, idTokenExpected: true })
}

const config = await requirement('discovery', () =>
  discover(confidential.id, confidential.secret, client.ClientSecretBasic(confidential.secret)))

let tokens = await requirement('a confidential client logs a person in with a code and PKCE', async () => {
  const tokens = await logIn(config, 'openid profile email offline_access')
  assert.equal(tokens.token_type, 'bearer')
  assert.ok(tokens.refresh_token && tokens.expires_in > 0)
  assert.equal(tokens.claims().aud, confidential.id)
  return tokens
})
const { sub } = tokens.claims()

await requirement('userinfo names the same person', async () => {
  const userinfo = await client.fetchUserInfo(config, tokens.access_token, sub)
  assert.equal(userinfo.sub, sub)
})

await requirement('a refresh keeps the person', async () => {
  const refreshed = await client.refreshTokenGrant(config, tokens.refresh_token)
  assert.notEqual(refreshed.access_token, tokens.access_token)
  if (refreshed.id_token) assert.equal(refreshed.claims().sub, sub)
  tokens = { ...tokens, ...refreshed }
})

await requirement('introspection tells whose token it is', async () => {
  const answer = await client.tokenIntrospection(config, tokens.access_token)
  assert.equal(answer.active, true)
  assert.equal(answer.sub, sub)
  assert.equal(answer.client_id, confidential.id)
})

await requirement('a revoked token is inactive', async () => {
  await client.tokenRevocation(config, tokens.access_token)
  assert.deepEqual(await client.tokenIntrospection(config, tokens.access_token), { active: false })
})

await requirement('a revoked refresh token is refused', async () => {
  await client.tokenRevocation(config, tokens.refresh_token)
  await assert.rejects(client.refreshTokenGrant(config, tokens.refresh_token), { error: 'invalid_grant' })
})

await requirement('a public client logs a person in, and its refresh token rotates', async () => {
  const config = await discover(publicId, undefined, client.None())
  const tokens = await logIn(config, 'openid offline_access')
  const refreshed = await client.refreshTokenGrant(config, tokens.refresh_token)
  assert.ok(refreshed.refresh_token && refreshed.refresh_token !== tokens.refresh_token)
})

await requirement('a wrong code is refused', async () => {
  const callback = new URL(`${redirectUri}?code=wrong&state=s&iss=${encodeURIComponent(issuer)}`)
  const checks = { pkceCodeVerifier: client.randomPKCECodeVerifier(), expectedState: 's' }
  await assert.rejects(client.authorizationCodeGrant(config, callback, checks), { error: 'invalid_grant' })
})

await requirement('client credentials', async () => {
  const config = await discover(service.id, service.secret, client.ClientSecretBasic(service.secret))
  const tokens = await client.clientCredentialsGrant(config, {})
  assert.ok(tokens.access_token && !tokens.refresh_token && !tokens.id_token)
})

await requirement('a client that authenticates otherwise than it is registered is refused', async () => {
  const config = await discover(service.id, service.secret, client.ClientSecretPost(service.secret))
  await assert.rejects(client.clientCredentialsGrant(config, {}), { error: 'invalid_client' })
})

await requirement('a pushed request', async () => {
  const config = await discover(confidential.id, confidential.secret, client.ClientSecretBasic(confidential.secret))
  const tokens = await logInWith(config, (parameters) => client.buildAuthorizationUrlWithPAR(config, parameters))
  assert.equal(tokens.claims().sub, sub)
})

await requirement('a signed response', async () => {
  const config = await discover(confidential.id, confidential.secret, client.ClientSecretBasic(confidential.secret))
  client.useJwtResponseMode(config)
  const tokens = await logInWith(config, (parameters) => client.buildAuthorizationUrl(config, parameters))
  assert.equal(tokens.claims().sub, sub)
})

await requirement('a signed request, pushed, and a signed response', async () => {
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256' }
  const key = await crypto.subtle.importKey('pkcs8', Buffer.from(signing.key, 'base64'), algorithm, false, ['sign'])
  const config = await discover(signing.id, signing.secret, client.ClientSecretBasic(signing.secret))
  client.useJwtResponseMode(config)
  const tokens = await logInWith(config, async (parameters) => {
    const signed = await client.buildAuthorizationUrlWithJAR(config, parameters, key)
    return client.buildAuthorizationUrlWithPAR(config, signed.searchParams)
  })
  assert.equal(tokens.claims().sub, sub)
})

await requirement('encrypted ID tokens, userinfo, responses and requests', async () => {
  const config = await discover(encrypting.id, encrypting.secret, client.ClientSecretBasic(encrypting.secret))
  const opening = await crypto.subtle.importKey('pkcs8', Buffer.from(encrypting.key, 'base64'), { name: 'ECDH', namedCurve: 'P-256' }, false, ['deriveBits'])
  client.enableDecryptingResponses(config, ['A128CBC-HS256'], { key: opening, kid: encrypting.kid })
  client.useJwtResponseMode(config)
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256' }
  const key = await crypto.subtle.importKey('pkcs8', Buffer.from(signing.key, 'base64'), algorithm, false, ['sign'])
  const { keys } = await (await fetch(config.serverMetadata().jwks_uri)).json()
  for (const alg of config.serverMetadata().request_object_encryption_alg_values_supported) {
    for (const enc of config.serverMetadata().request_object_encryption_enc_values_supported) {
      const jwk = keys.find(({ kty, use }) => use === 'enc' && kty === (alg === 'RSA-OAEP-256' ? 'RSA' : 'EC'))
      const tokens = await logInWith(config, async (parameters) => {
        const url = await client.buildAuthorizationUrlWithJAR(config, parameters, key)
        const signed = new TextEncoder().encode(url.searchParams.get('request'))
        const header = { alg, enc, kid: jwk.kid, cty: 'oauth-authz-req+jwt' }
        const encrypted = await new jose.CompactEncrypt(signed).setProtectedHeader(header).encrypt(await jose.importJWK(jwk, alg))
        url.searchParams.set('request', encrypted)
        return url
      })
      assert.equal(jose.decodeProtectedHeader(tokens.id_token).alg, 'ECDH-ES')
      assert.equal(tokens.claims().aud, encrypting.id)
      const userinfo = await client.fetchUserInfo(config, tokens.access_token, tokens.claims().sub)
      assert.equal(userinfo.sub, sub)
    }
  }
})

await requirement('a code and an ID token together, through the browser, without PKCE', async () => {
  const config = await discover(hybrid.id, hybrid.secret, client.ClientSecretBasic(hybrid.secret))
  client.useCodeIdTokenResponseType(config)
  const [expectedNonce, expectedState] = [client.randomNonce(), client.randomState()]
  const url = client.buildAuthorizationUrl(config, { redirect_uri: legacyUri, scope: 'openid', nonce: expectedNonce, state: expectedState })
  const callback = await visit(url, { ...situation, redirectUri: legacyUri })
  assert.ok(callback.hash.includes('id_token='))
  const tokens = await client.authorizationCodeGrant(config, callback, { expectedNonce, expectedState })
  assert.equal(tokens.claims().sub, sub)
})

await requirement('an ID token alone, through the browser', async () => {
  const config = await discover(implicitId, undefined, client.None())
  client.useIdTokenResponseType(config)
  const [nonce, expectedState] = [client.randomNonce(), client.randomState()]
  const url = client.buildAuthorizationUrl(config, { redirect_uri: legacyUri, scope: 'openid', nonce, state: expectedState })
  const callback = await visit(url, { ...situation, redirectUri: legacyUri })
  const claims = await client.implicitAuthentication(config, callback, nonce, { expectedState })
  assert.equal(claims.sub, sub)
})

await requirement('tokens that are bound to a key, with a pushed request that is bound to it too', async () => {
  for (const config of [
    await discover(confidential.id, confidential.secret, client.ClientSecretBasic(confidential.secret)),
    await discover(publicId, undefined, client.None()),
  ]) {
    const DPoP = client.getDPoPHandle(config, await client.randomDPoPKeyPair('ES256'))
    const pkceCodeVerifier = client.randomPKCECodeVerifier()
    const expectedState = client.randomState()
    const url = await client.buildAuthorizationUrlWithPAR(config, {
      redirect_uri: redirectUri,
      scope: 'openid offline_access',
      state: expectedState,
      code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
      code_challenge_method: 'S256',
    }, { DPoP })
    const callback = await visit(url, situation)
    const tokens = await client.authorizationCodeGrant(config, callback, { pkceCodeVerifier, expectedState }, undefined, { DPoP })
    assert.equal(tokens.token_type, 'dpop')
    assert.equal((await client.fetchUserInfo(config, tokens.access_token, sub, { DPoP })).sub, sub)
    await assert.rejects(client.fetchUserInfo(config, tokens.access_token, sub))
    const refreshed = await client.refreshTokenGrant(config, tokens.refresh_token, undefined, { DPoP })
    assert.equal(refreshed.token_type, 'dpop')
  }
})

await requirement('a client that signs with its key asks for a token, introspects and revokes it', async () => {
  const der = Buffer.from(signing.key, 'base64')
  const key = await crypto.subtle.importKey('pkcs8', der, { name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign'])
  const config = await discover(asserting.id, undefined, client.PrivateKeyJwt(key))
  const { access_token: token } = await client.clientCredentialsGrant(config, {})
  assert.equal((await client.tokenIntrospection(config, token)).client_id, asserting.id)
  await client.tokenRevocation(config, token)
  const other = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign'])
  const wrong = await discover(asserting.id, undefined, client.PrivateKeyJwt(other.privateKey))
  await assert.rejects(client.clientCredentialsGrant(wrong, {}), { error: 'invalid_client' })
})

await requirement('FAPI 2.0 with message signing: a signed and pushed request, a signed response, tokens that are bound', async () => {
  const der = Buffer.from(signing.key, 'base64')
  const key = await crypto.subtle.importKey('pkcs8', der, { name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign'])
  const algorithms = { id_token_signed_response_alg: 'ES256', authorization_signed_response_alg: 'ES256' }
  const toTheIssuer = { [client.modifyAssertion]: (_, payload) => { payload.aud = issuer } }
  const config = await discover(fapiId, algorithms, client.PrivateKeyJwt(key, toTheIssuer))
  client.useJwtResponseMode(config)
  const DPoP = client.getDPoPHandle(config, await client.randomDPoPKeyPair('ES256'))
  const pkceCodeVerifier = client.randomPKCECodeVerifier()
  const [expectedState, expectedNonce] = [client.randomState(), client.randomNonce()]
  const signed = await client.buildAuthorizationUrlWithJAR(config, {
    redirect_uri: legacyUri,
    scope: 'openid offline_access',
    state: expectedState,
    nonce: expectedNonce,
    code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
    code_challenge_method: 'S256',
  }, key)
  const url = await client.buildAuthorizationUrlWithPAR(config, signed.searchParams, { DPoP })
  const callback = await visit(url, { ...situation, redirectUri: legacyUri })
  const tokens = await client.authorizationCodeGrant(config, callback, { pkceCodeVerifier, expectedState, expectedNonce }, undefined, { DPoP })
  assert.equal(tokens.token_type, 'dpop')
  assert.equal((await client.fetchUserInfo(config, tokens.access_token, sub, { DPoP })).sub, sub)
  const refreshed = await client.refreshTokenGrant(config, tokens.refresh_token, undefined, { DPoP })
  assert.equal(refreshed.refresh_token, undefined)
})

await requirement('a client that makes assertions with its secret', async () => {
  const config = await discover(keyed.id, keyed.secret, client.ClientSecretJwt(keyed.secret))
  const tokens = await client.clientCredentialsGrant(config, {})
  assert.equal((await client.tokenIntrospection(config, tokens.access_token)).client_id, keyed.id)
})

await requirement('a device is connected with a code', async () => {
  const config = await discover(deviceId, undefined, client.None())
  const begun = await client.initiateDeviceAuthorization(config, { scope: 'openid offline_access' })
  const allowed = visit(begun.verification_uri_complete, { ...situation, redirectUri: `${issuer}/device/allowed` })
  const tokens = await client.pollDeviceAuthorizationGrant(config, begun)
  await allowed
  assert.equal(tokens.claims().sub, sub)
  assert.ok((await client.refreshTokenGrant(config, tokens.refresh_token)).access_token)
})

await requirement('a service exchanges the token that it was called with', async () => {
  const from = await discover(service.id, service.secret, client.ClientSecretBasic(service.secret))
  const { access_token } = await client.clientCredentialsGrant(from, {})
  const config = await discover(exchanging.id, exchanging.secret, client.ClientSecretBasic(exchanging.secret))
  const type = 'urn:ietf:params:oauth:token-type:access_token'
  const exchanged = await client.genericGrantRequest(config, 'urn:ietf:params:oauth:grant-type:token-exchange', {
    subject_token: access_token, subject_token_type: type, audience: ledger,
  })
  assert.equal(exchanged.issued_token_type, type)
  const told = await client.tokenIntrospection(config, exchanged.access_token)
  assert.deepEqual([told.sub, told.aud, told.act], [service.id, ledger, { sub: exchanging.id }])
})

await requirement('a person elsewhere is asked, and answers on a page of their own', async () => {
  const config = await discover(asking.id, asking.secret, client.ClientSecretBasic(asking.secret))
  const asked = await client.initiateBackchannelAuthentication(config, {
    scope: 'openid offline_access', login_hint: situation.signInName, binding_message: 'W4SCT',
  })
  const answered = answer(issuer, situation)
  const tokens = await client.pollBackchannelAuthenticationGrant(config, asked)
  await answered
  assert.equal(tokens.claims().sub, sub)
  assert.ok((await client.refreshTokenGrant(config, tokens.refresh_token)).access_token)
  const nobody = { scope: 'openid', login_hint: 'nobody-of-this-name' }
  await assert.rejects(client.initiateBackchannelAuthentication(config, nobody), { error: 'unknown_user_id' })
})
