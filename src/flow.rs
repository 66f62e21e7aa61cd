//! A login under way: the authorization request, sealed and bound to the browser, while its person logs in and consents.
