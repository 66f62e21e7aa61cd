### Registering, recovering an account, changing the password and the address.

register-title = Create an account
register-heading = Create your account
register-submit = Create account
register-have-account = You have an account already?
register-log-in = Log in

code-register-title = Confirm your e‑mail address
code-recover-title = Check your mail
code-email-title = Confirm your e‑mail address
code-sent-to = We sent a mail to { $address }. If a code is in it, enter it here.
code-sent-perhaps = If there is an account of this name, a code is on its way to its e-mail address. Enter it here.
code-hint = Six digits. They work for ten minutes, and in this browser only.
code-again = Send a new code

recover-title = Forgotten password
recover-heading = Forgot your password?
recover-text = We send a code to the e‑mail address of your account. With it you choose a new password.
recover-username = Sign-in name or e-mail address
recover-submit = Send the code
recover-password-title = Choose a new password
recover-password-text = You will be logged out everywhere, and then log in with the new password.

password-save = Save the new password
change-password-title = Change your password
change-password-text = You stay logged in here, and are logged out everywhere else. Connected applications have to ask again.

change-email-title = Change your e‑mail address
change-email-present = It is { $address } now. We send a code to the new one; until you enter it, nothing changes.
change-email-none = There is none in your account yet. We send a code to it.
change-email-submit = Send the code
