// What the Rust side of the test prepared: a running server, twelve clients, and a person. See tests/it/clients.

import { variable } from './requirement.mjs'

export { requirement } from './requirement.mjs'

export const situation = {
  issuer: variable('ISSUER'),
  redirectUri: variable('REDIRECT_URI'),
  signInName: variable('SIGN_IN_NAME'),
  password: variable('PASSWORD'),
  confidential: { id: variable('CONFIDENTIAL_ID'), secret: variable('CONFIDENTIAL_SECRET') },
  publicId: variable('PUBLIC_ID'),
  signing: { id: variable('SIGNING_ID'), secret: variable('SIGNING_SECRET'), key: variable('SIGNING_KEY') },
  encrypting: { id: variable('ENCRYPTING_ID'), secret: variable('ENCRYPTING_SECRET'), key: variable('ENCRYPTING_KEY'), kid: variable('ENCRYPTING_KID') },
  service: { id: variable('SERVICE_ID'), secret: variable('SERVICE_SECRET') },
  asserting: { id: variable('ASSERTING_ID') },
  exchanging: { id: variable('EXCHANGING_ID'), secret: variable('EXCHANGING_SECRET') },
  ledger: variable('LEDGER'),
  deviceId: variable('DEVICE_ID'),
  asking: { id: variable('ASKING_ID'), secret: variable('ASKING_SECRET') },
  legacyUri: variable('LEGACY_URI'),
  hybrid: { id: variable('HYBRID_ID'), secret: variable('HYBRID_SECRET') },
  implicitId: variable('IMPLICIT_ID'),
  fapiId: variable('FAPI_ID'),
  keyed: { id: variable('KEYED_ID'), secret: variable('KEYED_SECRET') },
}
