// npm oidc-provider, doing the work that scripts/bench measures: the same clients, algorithms and lifetimes, everything in
// memory. Whoever comes to the login is logged in and has consented.
//
//     NODE_ENV=production node oidc-provider.mjs PORT SERVICE_SECRET WEB_SECRET
import { generateKeyPairSync } from 'node:crypto';
import Provider from 'oidc-provider';

const [port, serviceSecret, webSecret] = process.argv.slice(2);
const issuer = `http://127.0.0.1:${port}`;
const api = 'https://api.example';
const loginClient = {
  redirect_uris: ['https://app.example/callback'],
  response_types: ['code'],
  grant_types: ['authorization_code', 'refresh_token'],
  scope: 'openid offline_access',
};

// Its own adapter keeps a thousand entries and forgets the oldest: too few for a load. This one keeps all.
class Memory {
  static everything = new Map();

  static grants = new Map();

  static uids = new Map();

  constructor(model) { this.model = model; }

  key(id) { return `${this.model}:${id}`; }

  async upsert(id, payload) {
    const key = this.key(id);
    Memory.everything.set(key, payload);
    if (this.model === 'Session') Memory.uids.set(payload.uid, id);
    if (payload.grantId && this.model !== 'Session') {
      const keys = Memory.grants.get(payload.grantId);
      if (keys) keys.push(key); else Memory.grants.set(payload.grantId, [key]);
    }
  }

  async find(id) { return Memory.everything.get(this.key(id)); }

  async findByUid(uid) { return this.find(Memory.uids.get(uid)); }

  async findByUserCode() { return undefined; }

  async consume(id) { Memory.everything.get(this.key(id)).consumed = Math.floor(Date.now() / 1000); }

  async destroy(id) { Memory.everything.delete(this.key(id)); }

  async revokeByGrantId(grantId) {
    for (const key of Memory.grants.get(grantId) ?? []) Memory.everything.delete(key);
    Memory.grants.delete(grantId);
  }
}

function key(type, options, alg) {
  const { privateKey } = generateKeyPairSync(type, options);
  return { ...privateKey.export({ format: 'jwk' }), alg, use: 'sig', kid: alg };
}

const provider = new Provider(issuer, {
  adapter: Memory,
  jwks: { keys: [key('ec', { namedCurve: 'P-256' }, 'ES256'), key('rsa', { modulusLength: 2048 }, 'RS256')] },
  cookies: { keys: ['a secret that signs cookies'] },
  clients: [
    { client_id: 'service', client_secret: serviceSecret, grant_types: ['client_credentials'], redirect_uris: [], response_types: [] },
    { client_id: 'opaque', client_secret: serviceSecret, grant_types: ['client_credentials'], redirect_uris: [], response_types: [] },
    { client_id: 'web', client_secret: webSecret, ...loginClient },
    { client_id: 'spa', token_endpoint_auth_method: 'none', application_type: 'web', ...loginClient },
  ],
  pkce: { required: () => true },
  // As here: whoever may refresh gets a refresh token, which outlives the session.
  issueRefreshToken: (ctx, client) => client.grantTypeAllowed('refresh_token'),
  expiresWithSession: () => false,
  findAccount: (ctx, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  ttl: { AccessToken: 900, AuthorizationCode: 60, ClientCredentials: 900, IdToken: 900, RefreshToken: 604_800, Grant: 2_592_000, Session: 43_200, Interaction: 900 },
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    introspection: { enabled: true, allowedPolicy: () => true },
    // JWT access tokens come for a resource, and always for the same one; not for the client that is to get opaque ones.
    resourceIndicators: {
      enabled: true,
      defaultResource: (ctx, client) => (client.clientId === 'opaque' ? undefined : api),
      useGrantedResource: () => true,
      getResourceServerInfo: () => ({
        scope: 'api', audience: api, accessTokenTTL: 900, accessTokenFormat: 'jwt', jwt: { sign: { alg: 'ES256' } },
      }),
    },
  },
  interactions: { url: (ctx, interaction) => `/interaction/${interaction.uid}` },
});

provider.use(async (ctx, next) => {
  if (!ctx.path.startsWith('/interaction/')) return next();
  const { params } = await provider.interactionDetails(ctx.req, ctx.res);
  const grant = new provider.Grant({ accountId: 'ada', clientId: params.client_id });
  grant.addOIDCScope(params.scope);
  grant.addResourceScope(api, 'api');
  const result = { login: { accountId: 'ada' }, consent: { grantId: await grant.save() } };
  ctx.respond = false;
  return provider.interactionFinished(ctx.req, ctx.res, result, { mergeWithLastSubmission: false });
});

provider.on('server_error', (ctx, error) => console.error(error));
provider.listen(Number(port), '127.0.0.1', () => console.log(`listening on ${issuer}`));
