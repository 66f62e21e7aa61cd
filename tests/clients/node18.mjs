// Node.js 18, which Debian 12 ships, keeps Web Crypto behind a flag; the clients expect it where newer releases have it.
import { webcrypto } from 'node:crypto'
globalThis.crypto ??= webcrypto
globalThis.CryptoKey ??= webcrypto.CryptoKey
