### Second factors: proving one, setting one up, and what a person has.

factor-title = Second factor
factor-heading = Confirm that it’s you
factor-code = Code from your authenticator app
factor-code-hint = Six digits that change every 30 seconds.
factor-submit = Continue
factor-wrong = This code is wrong, or it was used already. Please wait for the next one.
factor-passkey-refused = This passkey was not accepted. Please try again, or choose another way.
factor-too-many = Too many codes were tried. Please wait a while before you try again.
factor-use-recovery-code = Use a recovery code instead
factor-recovery-code = Recovery code
factor-recovery-code-hint = One of the ten codes that you kept. Each works once.

reauthenticate-title = Confirm that it’s you
reauthenticate-wrong = The password is wrong.
reauthenticate-use-code = Use a code from your authenticator app instead

enrolment-title = Set up an authenticator app
enrolment-heading = Set up an authenticator app
enrolment-required = You need a second factor to go on.
enrolment-scan = Scan this with an authenticator app on your phone.
enrolment-qr = QR code for your authenticator app. Its content is given as text below.
enrolment-no-scan = You can’t scan it?
enrolment-type = Type this into the app, as a time-based key:
enrolment-open = Open it in an app on this device
enrolment-code = The six digits that the app shows now
enrolment-submit = Turn it on
enrolment-wrong = This code is wrong. Please check that your phone’s clock is right, and wait for the next code.
enrolment-stale = This page was open for too long. Please scan the new QR code.

recovery-title = Recovery codes
recovery-heading = Keep these recovery codes
recovery-text = Each of them lets you in once if you lose your phone.
recovery-once = They are shown only now. Keep them where nobody else finds them; codes from before work no longer.
recovery-download = Download
recovery-print = Print
recovery-saved = I have kept them

nav-security = Security
security-heading = Security
security-totp = Authenticator app
security-totp-none = A code from an app on your phone, asked for after your password: whoever learns your password doesn’t get in.
security-totp-add = Set up an app
security-totp-added = Added
security-totp-used = Last used
security-totp-replace = Use another app
security-totp-remove = Remove
security-totp-required = Your administrator requires a second factor, so that you can replace it but not remove it.
security-recovery = Recovery codes
security-recovery-left = { $count ->
    [0] You have no recovery codes left. Make new ones, or you may lose your account with your phone.
    [one] You have one recovery code left.
   *[other] You have { $count } recovery codes left.
}
security-recovery-new = Make new codes
