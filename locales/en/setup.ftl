### The first administrator.

setup-title = Set up
setup-heading = Create the first administrator
setup-text = This link works once. Choose the name and the password you will administer this server with.
setup-username = Sign-in name
setup-username-hint = A short name or an e-mail address.
setup-password = Password
setup-password-hint = { $count } characters or more. A few random words make a good one.
setup-password-again = Repeat the password
setup-submit = Create administrator
setup-problems = Please correct the following:
setup-name-refused = This can’t be a sign-in name. Use letters, digits, dots, hyphens, or an e-mail address.
setup-name-taken = Somebody has this name already.
setup-password-too-short = The password needs { $count } characters or more.
setup-password-too-long = The password may have 256 characters at most.
setup-password-character = The password holds a character that can’t be used, such as a line break.
setup-password-is-name = The password must not be the sign-in name.
setup-repetition-differs = The two passwords are not the same.
