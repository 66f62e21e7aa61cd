// Stands in for a person and their browser: follows redirects, keeps cookies, fills in the login form, gives consent.

/** Answers the request of an application that waits on the person's own page, and allows it. */
export async function answer(issuer, person) {
  const link = (page) => /href="([^"]*\/account\/requests\?request=[^"]+)"/.exec(page)?.[1]
  const next = (page, url) => {
    if (url.pathname.endsWith('/account')) return `${issuer}/account/requests`
    return url.pathname.endsWith('/account/requests') ? link(page) : undefined
  }
  return visit(`${issuer}/account/requests`, { ...person, redirectUri: `${issuer}/account/requests/allowed`, next })
}

/** Goes to `start` and comes back with the URL, under `redirectUri`, that the server sends the browser to. */
export async function visit(start, { redirectUri, signInName, password, next }) {
  const cookies = new Map()
  let request = { url: new URL(start), method: 'GET' }
  for (let step = 0; step < 20; step++) {
    const response = await fetch(request.url, {
      method: request.method,
      body: request.body,
      redirect: 'manual',
      headers: {
        accept: 'text/html',
        cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join('; '),
        ...(request.body && { origin: request.url.origin }),
      },
    })
    for (const header of response.headers.getSetCookie()) {
      const [pair] = header.split(';')
      const at = pair.indexOf('=')
      cookies.set(pair.slice(0, at).trim(), pair.slice(at + 1).trim())
    }
    if (response.status >= 300 && response.status < 400) {
      const target = new URL(response.headers.get('location'), request.url)
      if (target.href.startsWith(redirectUri)) return target
      request = { url: target, method: 'GET' }
      continue
    }
    const page = await response.text()
    if (response.status !== 200) throw new Error(`${request.url.pathname} answers ${response.status}: ${page}`)
    const followed = next?.(page, request.url)
    if (followed) {
      request = { url: new URL(followed, request.url), method: 'GET' }
      continue
    }
    request = fillIn(page, request.url, { signInName, password })
  }
  throw new Error('too many pages before the redirect')
}

/** The request that a person makes who fills in the page's form. */
function fillIn(page, url, { signInName, password }) {
  const form = /<form\b[^>]*id="(login|consent|device)-form"[^>]*>[\s\S]*?<\/form>/i.exec(page)?.[0]
  if (!form) throw new Error(`no form on ${url.pathname}: ${page}`)
  const body = new URLSearchParams()
  for (const [tag] of form.matchAll(/<input\b[^>]*>/gi)) {
    const name = attribute(tag, 'name')
    if (name === 'username') body.set(name, signInName)
    else if (name === 'password') body.set(name, password)
    else if (name === 'user_code') body.set(name, attribute(tag, 'value'))
    else if (name && (attribute(tag, 'type') === 'hidden' || /\schecked\b/i.test(tag))) body.append(name, attribute(tag, 'value') ?? '')
  }
  if (/id="consent-form"/.test(form)) body.set('decision', 'allow')
  return { url: new URL(attribute(/<form\b[^>]*>/i.exec(form)[0], 'action') ?? url, url), method: 'POST', body }
}

function attribute(tag, name) {
  const value = new RegExp(`\\s${name}="([^"]*)"`, 'i').exec(tag)?.[1]
  return value?.replace(/&#(\d+);|&#x([0-9a-f]+);|&(quot|lt|gt|amp);/gi, (_, decimal, hex, named) =>
    named ? { quot: '"', lt: '<', gt: '>', amp: '&' }[named.toLowerCase()] : String.fromCodePoint(decimal ?? Number.parseInt(hex, 16)))
}
