### Logging in, choosing the account, consent.

login-title = Log in
login-title-for = Log in to { $client }
login-heading = Log in
login-continue-to = to continue to { $client }
login-again-heading = Confirm that it’s you
login-again-text = You are logged in already. Please enter your password once more to continue.
login-again-text-for = { $client } asks you to enter your password once more.
login-username = Sign-in name
login-password = Password
login-submit = Log in
login-register = Create an account
login-recover = Forgot your password?
login-refused = The sign-in name or the password is wrong.
login-too-many-codes = Too many wrong codes. Please log in again.
login-challenge = There were many attempts to log in. Please enter your password once more: your browser first does a little work, which keeps machines from guessing.
proof-working = Your browser is doing a little work that keeps machines from guessing…
proof-done = Ready.
proof-wait = Without JavaScript, please wait { $count } seconds before you go on.
login-passkey = Log in with a passkey
login-or = or
login-passkey-refused = This passkey was not accepted. Please try again, or log in another way.
login-overloaded = Too many people are logging in just now. Please try again in a moment.

select-title = Choose an account
select-heading = Choose an account
select-logged-in = Logged in here
select-another = Use another account

consent-title = Give access
consent-heading = { $client } asks for access to your account
consent-logged-in-as = Logged in as { $name }
consent-not-you = Not you?
consent-scopes = It will be able to:
consent-claims = It will be told your:
consent-resources = It will use this at:
consent-details = In detail:
consent-fixed = Needed to log in
consent-unvouched = This application registered itself, and nobody who runs this server has looked at it. What you allow goes to { $place }.
by-hand-title = The application asked for something it can’t have
by-hand-text = It is at { $place }, registered itself, and nobody who runs this server has looked at it. You need not go back there.
by-hand-error = What it is told
by-hand-go = Go back to { $place }
consent-return = You will return to { $place }.
consent-allow = Allow
consent-deny = Deny
login-remember = Stay logged in on this device
