### A person's own pages.

nav-places = Your account
nav-overview = Overview
nav-sessions = Devices
nav-apps = Applications
nav-activity = Activity
nav-language = Language
nav-data = Your data

account-identity = Who you are
account-no-email = None
account-stays = Welcome back. You logged in, so your account will not be deleted.
account-overview = At a glance
account-unprotected = Password only. A second factor keeps others out.
account-protected-totp = Protected by an authenticator app
account-protected-passkey = Protected by a passkey
account-protected-both = Protected by an authenticator app and passkeys
account-sessions-count = { $count ->
    [one] Logged in on this device only
   *[other] Logged in on { $count } devices
}
account-apps-count = { $count ->
    [0] No application has access
    [one] One application has access
   *[other] { $count } applications have access
}
account-latest = Recent activity
account-all-activity = All activity

security-password = Password
security-password-changed = Last changed
security-password-none = You have no password.

sessions-heading = Where you are logged in
sessions-text = End a session that you don’t recognise, and change your password.
sessions-logged-in = Logged in
sessions-remembered = Stays logged in
sessions-rename = Rename
sessions-name = Name of this device
sessions-save = Save
method-password = Password
method-code = Code
method-passkey = Passkey

apps-heading = Connected applications
apps-text = These applications act on your behalf. Removing one logs it out and makes it ask you again.
apps-open = Open
apps-last-used = Last used
apps-resources = At:

language-text = The language of these pages in this browser, and of the mails that you get.

export-heading = A copy of your data
export-text = Everything that is held about you: profile, devices, applications, factors and activity, as a JSON file. It holds no password and no key.
export-submit = Download
delete-title = Delete account
delete-text = Your account is deleted at once. This can’t be taken back.
delete-text-grace = You are logged out everywhere at once, and your account is deleted after { $count ->
    [one] one day
   *[other] { $count } days
}. Until then you can take it back by logging in.
delete-heading = Delete your account?
delete-warning = Your profile, devices, factors and all that you allowed applications will be gone. Applications may keep what they hold themselves.
delete-type-name = Type your sign-in name to go on
delete-name-differs = That is not your sign-in name. Nothing was deleted.
delete-last-administrator = You are the last administrator. Make somebody else one first.
delete-submit = Delete my account
delete-keep = Keep my account
deletion-scheduled-heading = Your account will be deleted
deletion-scheduled-due = It will be gone on
deletion-scheduled-text = You are logged out everywhere. If you change your mind, log in before then: your account stays as it is.
deletion-take-back = Log in and keep the account
deleted-heading = Your account was deleted
deleted-text = Everything that belonged to it is gone. You can close this window.
